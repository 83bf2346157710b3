package phrase

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Fact says what is so of the pipeline, for people and models alike: no word of what to do next.
func Fact(f *pipeline.Fact) string {
	said := facts[f.Code]
	if said == nil {
		return string(f.Code)
	}
	return said(f)
}

type fact = pipeline.Fact

// facts are the words of each code. Those of gaps are left to [Missing].
var facts = map[pipeline.Code]func(f *fact) string{
	pipeline.CodeBadID:    badID,
	pipeline.CodeBadRev:   func(f *fact) string { return fmt.Sprintf("if_rev is %.64q, want at least 12 hex digits", f.Given) },
	pipeline.CodeBadClaim: func(f *fact) string { return fmt.Sprintf("claim is %.64q, want \"c-\" and 12 hex digits", f.Given) },
	pipeline.CodeBadStage: func(f *fact) string {
		return fmt.Sprintf("stage must be one of %s; got %.64q", strings.Join(texts(pipeline.Stages()), ", "), f.Given)
	},
	pipeline.CodeBadType: func(f *fact) string {
		return fmt.Sprintf("type must be one of %s; got %.64q", strings.Join(pipeline.Types(), ", "), f.Given)
	},
	pipeline.CodeBadCursor:     func(*fact) string { return "cursor names a place that is not in this pipeline" },
	pipeline.CodeBadDependency: func(f *fact) string { return fmt.Sprintf("depends_on %.140q names no story", f.Given) },
	pipeline.CodeBadNeighbour:  func(f *fact) string { return fmt.Sprintf("%s %.140q is not a story ID", f.Field, f.Given) },
	pipeline.CodeBesideItself:  func(f *fact) string { return f.Field + " is the story itself" },
	pipeline.CodeTwoPlaces:     func(*fact) string { return "after and before are both given" },
	pipeline.CodeTooLong: func(f *fact) string {
		return fmt.Sprintf("%s has %d bytes, at most %d are allowed", f.Field, f.Have, f.Most)
	},
	pipeline.CodeTooMany: func(f *fact) string {
		return fmt.Sprintf("%s has %d numbers, at most %d are allowed", f.Field, f.Have, f.Most)
	},
	pipeline.CodeNotUTF8: func(f *fact) string { return f.Field + " is not valid UTF-8 text" },
	pipeline.CodeRange:   func(f *fact) string { return fmt.Sprintf("%s is %d, want %d to %d", f.Field, f.Have, f.Least, f.Most) },
	pipeline.CodeRetryFull: func(f *fact) string {
		return fmt.Sprintf("retry_count is %d and cannot grow by %d: the most is %d", f.Have, f.Count, f.Most)
	},
	pipeline.CodeEmptyNote:   func(*fact) string { return "note is empty" },
	pipeline.CodeReasonAlone: func(*fact) string { return "a reason is given, but blocked is false" },
	pipeline.CodeNobody:      func(f *fact) string { return fmt.Sprintf("agent %q is not a name", f.Given) },
	pipeline.CodeNoAgent:     func(*fact) string { return "no agent is given, and the server was started without one" },
	pipeline.CodeOnItself:    func(f *fact) string { return fmt.Sprintf("a story cannot depend on its own number %d", f.Number) },
	pipeline.CodeUnnumbered: func(f *fact) string {
		return fmt.Sprintf("depends_on %s: the ID begins with no number, so nothing can depend on it", f.Story)
	},
	pipeline.CodeCircle: func(f *fact) string { return "depends_on would go in a circle: " + Circle(f.IDs) },
	pipeline.CodeRestoreCircle: func(f *fact) string {
		return fmt.Sprintf("story %q cannot be restored as it is: depends_on would go in a circle: %s", f.Story, Circle(f.IDs))
	},
	pipeline.CodeSeveral: func(f *fact) string {
		return fmt.Sprintf("number %d is that of several stories: %s", f.Number, someOf(f.IDs, f.Count))
	},
	pipeline.CodeNumberTaken: func(f *fact) string {
		return fmt.Sprintf("there is no story %q, and number %d is taken", f.Story, f.Number)
	},
	pipeline.CodeNumberUsed: func(f *fact) string {
		whose := "a deleted story"
		if f.Story != "" {
			whose = "the deleted story " + f.Story
		}
		return fmt.Sprintf("number %d belonged to %s and is not given out again", f.Number, whose)
	},
	pipeline.CodeNoFreeNumber: func(*fact) string { return "no number is free" },
	pipeline.CodeInStage:      func(f *fact) string { return fmt.Sprintf("story %q is in %s already", f.Story, f.Stage) },
	pipeline.CodeOtherStage:   func(f *fact) string { return fmt.Sprintf("story %q is in %s, not in %s", f.Story, f.Stage, f.Given) },
	pipeline.CodeLastStage:    func(f *fact) string { return fmt.Sprintf("there is no stage after %s", f.Stage) },
	pipeline.CodeNoClaim: func(f *fact) string {
		return fmt.Sprintf("story %q is in %s, and you hold no claim on it; nothing was written", f.Story, f.Stage)
	},
	pipeline.CodeNoStory: func(f *fact) string {
		return about(f) + fmt.Sprintf("there is no story %q", f.Story) + seen(f, " that can be seen")
	},
	pipeline.CodeNeedsStage: func(f *fact) string {
		return fmt.Sprintf("there is no story %q", f.Story) + seen(f, " that can be seen") + ", and to create it a stage is needed"
	},
	pipeline.CodeNoNumber: func(f *fact) string {
		return fmt.Sprintf("no story has the number %d", f.Number) + seen(f, ", as far as can be seen")
	},
	pipeline.CodeDeleted: func(f *fact) string {
		return ended(about(f)+fmt.Sprintf("story %q is deleted", f.Story), ", and your claim has ended: ", f.End)
	},
	pipeline.CodeMovedOn: func(f *fact) string {
		return fmt.Sprintf("story %q has moved on: its rev is %s, not %.64q; nothing was written", f.Story, f.Rev.Short(), f.Given)
	},
	pipeline.CodeFull: func(f *fact) string { return fmt.Sprintf("the pipeline holds %d stories, the most it can", f.Most) },
	pipeline.CodeNotYours: func(f *fact) string {
		return fmt.Sprintf("story %q is not yours: %s; nothing was written", f.Story, heldFrom(f))
	},
	pipeline.CodeNotFree:    func(f *fact) string { return fmt.Sprintf("story %q is not free: %s", f.Story, heldFrom(f)) },
	pipeline.CodeClaimEnded: func(f *fact) string { return claimEnded(f) + "; now " + Whose(f) },
	pipeline.CodeOtherClaim: func(f *fact) string {
		return fmt.Sprintf("claim %.64s is of story %q, not of %q; nothing was written", f.Given, f.IDs[0], f.Story)
	},
	pipeline.CodeNoSuchClaim: func(f *fact) string { return fmt.Sprintf("no story has the claim %.64s", f.Given) },
	pipeline.CodeStaysBlocked: func(f *fact) string {
		why := f.Text
		if why == "" {
			why = "no reason is given"
		}
		return fmt.Sprintf("story %q is blocked and stays in %s: %s", f.Story, f.Stage, why)
	},
	pipeline.CodeBlocked: func(f *fact) string {
		if f.Text == "" {
			return fmt.Sprintf("story %q is blocked", f.Story)
		}
		return fmt.Sprintf("story %q is blocked: %s", f.Story, f.Text)
	},
	pipeline.CodeWaiting: func(f *fact) string { return fmt.Sprintf("story %q waits on %s", f.Story, numbers(f.Numbers)) },
	pipeline.CodeFinished: func(f *fact) string {
		return fmt.Sprintf("story %q is in %s: nothing is left to do", f.Story, pipeline.Archived)
	},
	pipeline.CodeNoneFree: noneFree,
	pipeline.CodeCrowded: func(f *fact) string {
		return fmt.Sprintf("story %q waits for room in %s: %s", f.Story, f.Crowd.Stage, crowd(f.Crowd))
	},
	pipeline.CodeCarried: func(f *fact) string {
		return fmt.Sprintf("story %q cannot be held in %s as well: %s; nothing was written", f.Story, f.Crowd.Stage, crowd(f.Crowd))
	},
	pipeline.CodeElsewhere: func(f *fact) string {
		return fmt.Sprintf("story %q is not free: agent %s has it on another machine", f.Story, InQuotes(f.Agent))
	},
	pipeline.CodeUnreachable: func(f *fact) string {
		return fmt.Sprintf("story %q was not claimed: the hub does not say now whether another machine has it", f.Story)
	},
	pipeline.CodeNotLetIn: func(f *fact) string {
		return fmt.Sprintf("story %q was not claimed: the hub does not let this machine in, so it does not say whether another machine has the story", f.Story)
	},
	pipeline.CodeNoMember: func(*fact) string {
		return "nothing was written: this machine was removed from the members of the pipeline, so nothing that it writes counts any more"
	},
	pipeline.CodeReserved: func(f *fact) string {
		return fmt.Sprintf("%s is no story: IDs that begin with %s are kept for what concerns the whole pipeline", f.Story, pipeline.ReservedPrefix)
	},
	pipeline.CodeNoSetting: func(f *fact) string {
		return fmt.Sprintf("there is no setting %.64q: the settings are %s", f.Given, strings.Join(pipeline.SettingNames(), ", "))
	},
	pipeline.CodeBadSetting: badSetting,

	pipeline.CodeMissing:  func(*fact) string { return "stories may be missing or out of date" },
	pipeline.CodeSameName: func(f *fact) string { return fmt.Sprintf("story %s has the same name", f.Story) },
	pipeline.CodeAssigned: func(f *fact) string {
		return "it is assigned to agent " + InQuotes(f.Agent) + " now: nobody else can claim it, and that agent must claim it to hold it"
	},
	pipeline.CodeStillHeld: func(f *fact) string {
		return fmt.Sprintf("agent %s still holds it, so that nobody else can claim it in %s", InQuotes(f.Agent), f.Stage)
	},
	pipeline.CodeStillBlocked: func(f *fact) string { return fmt.Sprintf("it is still blocked, and counts as done in %s", f.Stage) },
	pipeline.CodeStillDepends: func(f *fact) string {
		return fmt.Sprintf("of the dependencies to take out %d are left, since that is too many for one change", f.Count)
	},
	pipeline.CodeMovedWaiting:  func(f *fact) string { return "it was moved on although it waits on " + numbers(f.Numbers) },
	pipeline.CodeMovedBack:     func(f *fact) string { return "it was moved back from " + string(f.Stage) },
	pipeline.CodeBlockedAnyway: func(f *fact) string { return "it was blocked although " + hold(f.Hold) },
	pipeline.CodeSearchEnded: func(f *fact) string {
		return fmt.Sprintf("depends_on was written although it may go in a circle: only the nearest %d dependencies were searched", f.Most)
	},
	pipeline.CodeAllOfNumber: func(f *fact) string {
		return fmt.Sprintf("depends_on %s: several stories have the number %d (%s), and all of them must be done", f.Given, f.Number, someOf(f.IDs, f.Count))
	},
	pipeline.CodeClaimLost: func(f *fact) string { return ended(yourClaim(f), ": ", f.End) },
	pipeline.CodeUnknownNumbers: func(f *fact) string {
		return "depends_on " + numbers(f.Numbers) + ": no story has that number, so it is not met"
	},
	pipeline.CodeDeletedNumbers: func(f *fact) string { return "depends_on: deleted, so it is not met: " + someOf(f.IDs, f.Count) },
	pipeline.CodeArchivedNumbers: func(f *fact) string {
		return "depends_on: archived counts as met: " + someOf(f.IDs, f.Count)
	},
	pipeline.CodeInCircle: func(f *fact) string {
		return "depends_on goes in a circle, so none of these can become ready: " + Circle(f.IDs)
	},
	pipeline.CodeSharedNumber: func(f *fact) string {
		text := fmt.Sprintf("the number is also that of %s: what depends on it waits for all of them", someOf(f.IDs, f.Count))
		if f.Free != 0 {
			text += fmt.Sprintf("; the next free number is %d", f.Free)
		}
		return text
	},
	pipeline.CodeMadeApart: madeApart,
	pipeline.CodeOverwritten: func(f *fact) string {
		var lost []string
		for i := range f.Overwritten {
			lost = append(lost, Overwritten(&f.Overwritten[i]))
		}
		return "of what was written on several machines apart, this was lost: " + someOf(lost, f.Count)
	},
	pipeline.CodeStaysBack: func(f *fact) string { return fmt.Sprintf("it stays in %s: %s", f.Stage, crowd(f.Crowd)) },
	pipeline.CodeBackBeyond: func(f *fact) string {
		return fmt.Sprintf("it comes back held by %s, beyond the limit: %s", InQuotes(f.Agent), crowd(f.Crowd))
	},
}

func badSetting(f *fact) string {
	if f.Field == pipeline.NameLeaseGrace {
		spell := func(seconds int64) string { return pipeline.SpellDuration(time.Duration(seconds) * time.Second) }
		return fmt.Sprintf("%s must be whole seconds from %s to %s, such as 90s or 5m; got %.64q", f.Field, spell(f.Least), spell(f.Most), f.Given)
	}
	return fmt.Sprintf("%s must be a number from %d to %d; got %.64q", f.Field, f.Least, f.Most, f.Given)
}

// crowd says what the limit of a stage is, and who has the places.
func crowd(c *pipeline.Crowd) string {
	var names []string
	for i := range c.Stories {
		names = append(names, kept(&c.Stories[i]))
	}
	return fmt.Sprintf("%s is %d, and held there are %s", pipeline.LimitName(c.Stage), c.Limit, someOf(names, c.Count))
}

func badID(f *fact) string {
	switch n := len(f.Given); {
	case n > crdt.MaxStoryID:
		return fmt.Sprintf("story_id has %d bytes, at most %d are allowed", n, crdt.MaxStoryID)
	case n == 0:
		return "story_id is empty"
	}
	return fmt.Sprintf("story_id %q is not a valid story ID", f.Given)
}

// about names the argument that a fact is about, if it has one.
func about(f *fact) string {
	if f.Field == "" {
		return ""
	}
	return f.Field + ": "
}

// seen returns the words if not all stories can be seen.
func seen(f *fact, words string) string {
	if f.Gaps.Any() {
		return words
	}
	return ""
}

func yourClaim(f *fact) string {
	return fmt.Sprintf("your claim %.64s of story %q has ended", f.Given, f.Story)
}

func claimEnded(f *fact) string {
	if f.End == nil {
		return fmt.Sprintf("claim %.64s of story %q has ended, if it ever was one", f.Given, f.Story)
	}
	return ended(yourClaim(f), ": ", f.End)
}

// ended adds to a text how a claim ended, if that is known.
func ended(text, between string, end *pipeline.ClaimEnd) string {
	if how := claimEnd(end); how != "" {
		return text + between + how
	}
	return text
}

// Whose says where the story of a fact is, and who has it.
func Whose(f *fact) string {
	if f.Hold == nil {
		return "the story is in " + string(f.Stage) + " and nobody has it"
	}
	return "the story is in " + string(f.Stage) + " and " + hold(f.Hold)
}

func hold(h *pipeline.Hold) string {
	switch {
	case !h.Claimed:
		return "it is assigned to agent " + InQuotes(h.Agent) + ", without a claim that would end by itself"
	case h.Ended:
		return "agent " + InQuotes(h.Agent) + " had it, but its lease has ended"
	}
	return held(h, "agent "+InQuotes(h.Agent), "that agent's session")
}

// heldFrom says who holds a story that was refused to the caller. A holder with the caller's own name is
// another session.
func heldFrom(f *fact) string {
	if f.Namesake() {
		return held(f.Hold, "another session with your name "+InQuotes(f.Agent), "that session")
	}
	return hold(f.Hold)
}

// held says that somebody has a claim, and until when. Session is what renews the claim.
func held(h *pipeline.Hold, holder, session string) string {
	text := fmt.Sprintf("%s holds it and the lease ends in %d s", holder, h.Left/time.Second)
	switch {
	case h.Gone:
		text += " (the session that claimed it has ended)"
	case h.Renewed:
		text += ", unless " + session + " lives and renews it"
	}
	return text
}

// maxEndNote bounds the note that is shown of the op that ended a claim, in bytes.
const maxEndNote = 300

// claimEnd says who ended a claim, when and how. It is empty if that is not known.
func claimEnd(e *pipeline.ClaimEnd) string {
	if e == nil || e.Op == nil {
		return ""
	}
	text := "somebody"
	if e.Op.Agent != "" {
		text = "agent " + InQuotes(e.Op.Agent)
	}
	switch {
	case e.Claims():
		text += " claimed it"
	case e.Deletes():
		text += " deleted it"
	default:
		text += " wrote " + strings.Join(pipeline.Summary(e.Op), ", ")
	}
	if at := pipeline.FormatTime(pipeline.TimeOf(e.Op.At)); at != "" {
		text += " at " + at
	}
	if note := pipeline.NoteOf(e.Op); note != "" {
		if len(note) > maxEndNote {
			note = strings.ToValidUTF8(note[:maxEndNote], "") + "..."
		}
		text += " with the note " + InQuotes(note)
	}
	return text
}

// obstacles are the words for what keeps a caller from claiming stories.
var obstacles = map[pipeline.Obstacle]string{
	pipeline.IsBlocked: "blocked", pipeline.IsWaiting: "waiting", pipeline.IsHeld: "held",
	pipeline.IsMine: "yours already", pipeline.IsFinished: "finished",
	pipeline.IsCrowded: "waiting for room",
}

func noneFree(f *fact) string {
	where := strings.Join(texts(f.Stages), " or ")
	if len(f.Kept) == 0 && f.Crowd == nil {
		return "there is no story in " + where
	}
	var why []string
	for _, k := range f.Kept {
		var names []string
		for i := range k.Stories {
			names = append(names, kept(&k.Stories[i]))
		}
		if k.Count > len(k.Stories) {
			names = append(names, "...")
		}
		why = append(why, fmt.Sprintf("%d %s (%s)", k.Count, obstacles[k.Why], strings.Join(names, ", ")))
	}
	if f.Crowd != nil {
		why = append(why, crowd(f.Crowd))
	}
	return fmt.Sprintf("no story in %s can be claimed: %s", where, strings.Join(why, "; "))
}

func kept(k *pipeline.KeptStory) string {
	switch {
	case k.Hold != nil && k.Hold.Claimed:
		return fmt.Sprintf("%s by %q, lease ends in %d s", k.ID, k.Hold.Agent, k.Hold.Left/time.Second)
	case k.Hold != nil:
		return fmt.Sprintf("%s by %q", k.ID, k.Hold.Agent)
	case k.WaitingOn != nil:
		return k.ID + " on " + numbers(k.WaitingOn)
	}
	return k.ID
}

func madeApart(f *fact) string {
	var who []string
	for _, m := range f.Makers {
		by := "replica " + m.By.Author.Short()
		if m.Agent != "" {
			by = m.Agent + " on " + by
		}
		who = append(who, fmt.Sprintf("%q by %s", m.Label, by))
	}
	return fmt.Sprintf("%d stories were created apart under this ID and are one now: %s", f.Count, someOf(who, f.Count))
}

// Overwritten says which value was lost apart, and against whose.
func Overwritten(o *pipeline.Overwritten) string {
	agent, by := "somebody", "somebody else's"
	if o.Agent != "" {
		agent = InQuotes(o.Agent)
	}
	if o.By != "" {
		by = "that of " + InQuotes(o.By)
	}
	if o.Field == pipeline.NameClaim {
		return fmt.Sprintf("the claim of %s (to %s)", agent, by)
	}
	return fmt.Sprintf("%s %q of %s (to %s)", o.Field, o.Value, agent, by)
}

// Missing says which ops are missing, and how to mend that. Ask precedes each remedy: it is empty for the
// person who can do that.
func Missing(g pipeline.Gaps, ask string) string {
	var all []string
	if g.Damaged > 0 {
		all = append(all, Count(g.Damaged, "change", "changes")+" of the pipeline cannot be read any more, since the database is damaged: "+ask+"run huskies-mcp verify")
	}
	if g.Pending > 0 {
		all = append(all, Count(g.Pending, "change", "changes")+" cannot be shown, since others that they build on are not in the database: "+ask+"import those (huskies-mcp import)")
	}
	return "stories may be missing or out of date: " + strings.Join(all, "; ")
}

// Circle writes a way as an arrow from each story to the next, and back to the first.
func Circle(way []string) string {
	names := slices.Clone(way)
	if len(way) > pipeline.MaxNamed {
		names = append(names[:pipeline.MaxNamed-1], fmt.Sprintf("(%d more)", len(way)-pipeline.MaxNamed), way[len(way)-1])
	}
	return strings.Join(append(names, way[0]), " -> ")
}

// OpenCircle says how to open a circle at its last story.
func OpenCircle(way []string) string {
	own, _ := pipeline.Number(way[0])
	return fmt.Sprintf("take %d out of depends_on of %s first", own, way[len(way)-1])
}

// InQuotes returns what somebody wrote as one line in quotes. Hidden characters stay as they are, since
// the outlets leave them out.
func InQuotes(text string) string { return `"` + strings.Join(strings.Fields(text), " ") + `"` }

// numbers writes up to MaxNamed story numbers.
func numbers(all []uint32) string {
	var names []string
	for _, n := range all {
		names = append(names, strconv.FormatUint(uint64(n), 10))
	}
	return Some(names)
}

// Some joins up to MaxNamed names.
func Some(names []string) string { return someOf(names, len(names)) }

// someOf joins up to MaxNamed of the names, which are some of count.
func someOf(names []string, count int) string {
	names = names[:min(pipeline.MaxNamed, len(names))]
	switch more := count - len(names); {
	case more <= 0:
		return strings.Join(names, ", ")
	case len(names) == 0:
		return fmt.Sprintf("%d stories", more)
	default:
		return strings.Join(names, ", ") + fmt.Sprintf(" and %d more", more)
	}
}

func texts[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
