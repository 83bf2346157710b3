package doctor

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// maxNamed bounds what one finding spells out.
const maxNamed = 5

// checkOps looks at what is in the log: whom it trusts, what waits, what
// clashes.
func (e *examination) checkOps(ctx context.Context) {
	f := &e.file
	if f.Err != nil || f.Schema == 0 {
		return // said already, or there is nothing
	}
	if f.Identity != nil {
		e.note("ops", "mend the identity first", "they were not looked at: the replica's key cannot be used")
		return
	}
	r := e.newReplica()
	defer r.Close()
	in, err := r.Inspect(ctx)
	switch {
	case damaged(err) && (f.CheckErr != nil || len(f.Problems) > 0):
		e.note("ops", "mend the pages first", "they were not looked at: the database is damaged")
		return
	case err != nil:
		e.broken("ops", err)
		return
	}
	wrong := e.wrong
	e.ok("ops", "%d applied, %s", in.Applied, phrase.Count(in.Stories, "story", "stories"))
	e.checkTrust(&in)
	e.checkDamage(&in)
	e.checkPending(&in)
	if e.wrong == wrong {
		e.checkRows(ctx)
	}
	e.checkClocks(&in)
	e.checkHub(ctx, r)
	for _, ids := range in.SharedNumbers {
		e.note("numbers", "give new stories unused numbers; finish or archive those that are not needed. What depends on the number waits for all of them", "one number is that of %s", some(ids))
	}
	for i := range in.Apart {
		e.note("stories", "read the story: if it is two pieces of work, write one of them anew with huskies-mcp add", "%s: %s", in.Apart[i].Story, phrase.Fact(&in.Apart[i]))
	}
	for _, ids := range in.Circles {
		e.note("dependencies", "take one number out of one story's depends_on: huskies-mcp call write_item with the story_id and the depends_on that it should have",
			"they go in a circle, so none of these can become ready: %s", strings.Join(append(ids[:min(len(ids), maxNamed)], ids[0]), " -> "))
	}
}

// maxQuickVerify bounds the databases whose every op is verified, in bytes: that
// many take about a second.
const maxQuickVerify = 8 << 20

// checkRows verifies every op of a small log: what stands beside a payload may
// be damaged without anything that is shown being wrong.
func (e *examination) checkRows(ctx context.Context) {
	f := &e.file
	if !f.Checked || len(f.Problems) > 0 || f.Pages*f.PageSize > maxQuickVerify {
		return // said already, or checkPages names verify
	}
	first := ""
	report, err := oplog.Verify(ctx, oplog.Verification{
		Path: e.where.Path, Logger: slog.New(slog.DiscardHandler), Check: pipeline.Check,
		Found: func(f oplog.Finding) {
			if f.Fault() && first == "" {
				first = phrase.Finding(f)
			}
		},
	})
	switch {
	case err != nil:
		e.broken("rows", err)
	case report.Faults > 0:
		e.bad("rows", "huskies-mcp verify names each fault and what to do", "verifying every op found %s; the first: %s", phrase.Count(report.Faults, "fault", "faults"), first)
	default:
		e.ok("rows", "%s verified: hash, signature, parents, seq", phrase.Count(int(report.Rows), "row", "rows"))
	}
}

// some joins up to maxNamed names.
func some(names []string) string {
	if n := len(names); n > maxNamed {
		return list(names[:maxNamed]) + " and " + phrase.Count(n-maxNamed, "more", "more")
	}
	return list(names)
}

// checkTrust says whose ops are applied and whose are not.
func (e *examination) checkTrust(in *replica.Inspection) {
	if in.Members != nil {
		e.checkMembers(in)
		return
	}
	name := func(a crdt.Author) string { return callName(a, in.Author, in.Trusted) }
	wrote := make(map[crdt.Author]int)
	for _, a := range in.Authors {
		wrote[a.Author] = a.Ops
	}
	if len(in.Trusted) == 0 {
		e.ok("trust", "no author is listed: %s", phrase.EveryoneTrusted)
	} else {
		var listed []string
		for _, t := range in.Trusted {
			listed = append(listed, name(t.Author))
		}
		e.ok("trust", "ops of %s and of this replica are applied: %s", phrase.Count(len(in.Trusted), "author", "authors"), some(listed))
	}
	for _, t := range in.Trusted {
		if t.Author != in.Author && wrote[t.Author] == 0 {
			e.note("trust", "import a bundle from there; or compare the key with what huskies-mcp identity prints there", "no op here is of %s, whose key %s is on the list", name(t.Author), t.Author)
		}
	}
	for _, a := range in.Authors {
		if a.Held > 0 {
			e.note("trust", "if you know whose key it is: huskies-mcp trust add "+a.Author.String()+" --name NAME; or leave it so", "held: %s of %s, who is not on the list", phrase.Count(a.Held, "op is", "ops are"), a.Author.Short())
		}
	}
}

// checkMembers says who is a member, and whose ops do not count.
func (e *examination) checkMembers(in *replica.Inspection) {
	var names []string
	for _, s := range in.Members.All() {
		if s.Member {
			names = append(names, memberName(s, in.Author))
		}
	}
	e.ok("members", "%s: %s", phrase.Count(in.Members.Count(), "member", "members"), some(names))
	if s := in.Members.Of(in.Author); s != nil && !s.Member {
		e.bad("members", "huskies-mcp join with another invitation, or huskies-mcp leave --forget-members", "this replica was removed: nothing that it writes counts")
	}
	for _, a := range in.Authors {
		if a.Held == 0 {
			continue
		}
		if s := in.Members.Of(a.Author); s != nil {
			e.note("members", "nothing; or an admin undoes the removal: huskies-mcp members accept "+a.Author.String(), "held: %s of %s, who was removed", phrase.Count(a.Held, "op is", "ops are"), memberName(s, in.Author))
			continue
		}
		e.note("members", "if an admin knows whose key it is: huskies-mcp members accept "+a.Author.String()+" --name NAME; or leave it so", "held: %s of %s, who is no member", phrase.Count(a.Held, "op is", "ops are"), a.Author.Short())
	}
}

func memberName(s *members.Standing, own crdt.Author) string {
	switch {
	case s.Author == own:
		return "this replica"
	case s.Name == "":
		return s.Author.Short()
	}
	return fmt.Sprintf("%s (%s)", phrase.Word(s.Name), s.Author.Short())
}

// checkDamage says which ops of the log are not in the document for good.
func (e *examination) checkDamage(in *replica.Inspection) {
	if n := len(in.Damaged); n > 0 {
		waiting := ""
		if in.Pending > 0 && !slices.ContainsFunc(in.Missing, func(m replica.MissingOp) bool { return !m.Damaged }) {
			waiting = ", for which " + phrase.Count(in.Pending, "op waits", "ops wait")
		}
		e.bad("damage", "import a bundle from a replica that has the ops, or restore a backup; huskies-mcp verify names each fault", "%s of the database cannot be read: %s%s", phrase.Count(n, "row", "rows"), some(ids(in.Damaged)), waiting)
	}
	if n := len(in.Refused); n > 0 {
		e.note("refused", "nothing: every replica leaves them out; who wrote them has a build that breaks the rules", "%s a rule: %s", phrase.Count(n, "op breaks", "ops break"), some(ids(in.Refused)))
	}
}

func ids(of []crdt.OpID) (short []string) {
	for _, id := range of {
		short = append(short, id.Short())
	}
	return short
}

// checkPending says which ops are missing here, and where they can be had: who
// wrote what builds on an op had it.
func (e *examination) checkPending(in *replica.Inspection) {
	if in.Pending == 0 {
		return
	}
	var missing, from []string
	refused := 0
	had := make(map[crdt.Author]bool)
	for _, m := range in.Missing {
		switch {
		case m.Refused:
			refused++
			continue
		case m.Damaged: // checkDamage has said it
			continue
		}
		missing = append(missing, m.ID.String())
		for _, a := range m.Authors {
			if !had[a] {
				had[a] = true
				from = append(from, callName(a, in.Author, in.Trusted))
			}
		}
	}
	waiting := phrase.Count(in.Pending, "op waits", "ops wait")
	if refused > 0 {
		e.note("pending", "nothing: every replica leaves them out", "of what waits, some builds on %s, and is never applied", phrase.Count(refused, "refused op", "refused ops"))
	}
	switch {
	case len(missing) == 0:
	case had[in.Author]:
		e.bad("pending", "rows of this replica's own were lost: restore a backup, or import a bundle from a replica that had them",
			"%s, some of this replica's own, for %s: %s", waiting, phrase.Count(len(missing), "op that is not here", "ops that are not here"), some(missing))
	default:
		e.note("pending", "on a machine that has them (the authors of what waits had: "+some(from)+"): huskies-mcp export all.bundle; then here: huskies-mcp import all.bundle",
			"%s for %s: %s", waiting, phrase.Count(len(missing), "other that is not here", "others that are not here"), some(missing))
	}
}

// checkClocks finds authors whose ops bear a time that has not come yet.
func (e *examination) checkClocks(in *replica.Inspection) {
	for _, a := range in.Authors {
		if a.Ahead > 0 {
			e.note("clock", "set the clock of that machine, or of this one (it is "+e.cfg.Now().UTC().Format(time.RFC3339)+" here); no merge depends on it, only what people read",
				"%s: %s a time that has not come yet, up to %s", callName(a.Author, in.Author, in.Trusted), phrase.Count(a.Ahead, "op bears", "ops bear"), cmp.Or(pipeline.FormatTime(a.Latest), "a time beyond the year 9999"))
		}
	}
}
