package intake

import (
	"encoding/json"
	"regexp"
	"strings"
)

// ghIssue is an element of what "gh issue list --json" prints. Which members are there depends on the
// fields that were asked for and on gh's version.
type ghIssue struct {
	Number      json.Number `json:"number"`
	Title       string      `json:"title"`
	Body        string      `json:"body"`
	State       string      `json:"state"`
	StateReason string      `json:"stateReason"`
	URL         string      `json:"url"`
	Labels      []ghNamed   `json:"labels"`
	Assignees   []ghUser    `json:"assignees"`
	Type        *ghNamed    `json:"issueType"`
	Milestone   *ghNamed    `json:"milestone"`
	Parent      *ghRef      `json:"parent"`
	BlockedBy   ghRefs      `json:"blockedBy"`
	Comments    []ghComment `json:"comments"`
}

type ghNamed struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

type ghUser struct {
	Login string `json:"login"`
}

type ghComment struct {
	Author    ghUser `json:"author"`
	Body      string `json:"body"`
	CreatedAt string `json:"createdAt"`
}

type ghRef struct {
	Number json.Number `json:"number"`
	URL    string      `json:"url"`
}

// ghRefs is a list of issues, which gh prints as an object with nodes.
type ghRefs []ghRef

// UnmarshalJSON reads {"nodes": [...]} and [...].
func (r *ghRefs) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]ghRef)(r))
	}
	var object struct {
		Nodes []ghRef `json:"nodes"`
	}
	err := json.Unmarshal(data, &object)
	*r = object.Nodes
	return err
}

// ghRepo finds the repository in the address of an issue.
var ghRepo = regexp.MustCompile(`^https?://[^/]+/([^/]+/[^/]+)/(?:issues|pull)/\d+`)

// repo returns "owner/name" of the address of an issue, or "".
func repo(url string) string {
	if m := ghRepo.FindStringSubmatch(url); m != nil {
		return m[1]
	}
	return ""
}

func readGitHub(l *List, src Source) error {
	rows, err := elements(l, src, "issues", "items")
	if err != nil {
		return err
	}
	for _, row := range rows {
		var g ghIssue
		if !decodeRow(l, row.at, row.raw, &g) {
			continue
		}
		if g.Number == "" {
			l.breaks(row.at, "the issue has no number; add it with: gh issue list --json number,title,body,state,labels,url")
			continue
		}
		l.add(g.item(l, row.at))
	}
	return nil
}

// origin returns the origin of issues of a repository. Without an address the repository is not known.
func (g *ghIssue) origin() string {
	if r := repo(g.URL); r != "" {
		return string(GitHub) + " " + r
	}
	return string(GitHub)
}

func (g *ghIssue) item(l *List, at Place) Item {
	it := Item{Origin: g.origin(), ID: g.Number.String(), Name: g.Title, At: at}
	at.Row = "issue " + it.ID
	it.At = at
	// gh does not know work in progress.
	it.Status = strings.ToLower(g.State)
	if word(g.State) == "closed" {
		switch word(g.StateReason) {
		case "not-planned", "duplicate":
			it.Status = word(g.StateReason)
		}
	}
	var labels, people []string
	for _, label := range g.Labels {
		labels = append(labels, label.Name)
	}
	for _, user := range g.Assignees {
		people = append(people, user.Login)
	}
	it.Holder = strings.Join(people, ", ")
	it.Type = typeOfLabels(labels)
	if g.Type != nil && g.Type.Name != "" && it.Type == "story" {
		it.setType(g.Type.Name)
	}
	for _, ref := range g.BlockedBy {
		if g.elsewhere(ref) {
			l.warn(at, "it waits for %s, which is in another repository; the dependency is dropped", ref.URL)
			continue
		}
		it.DependsOn = append(it.DependsOn, ref.Number.String())
	}
	if g.Parent != nil && g.Parent.Number != "" && !g.elsewhere(*g.Parent) {
		it.Parent = g.Parent.Number.String()
		it.Links = append(it.Links, Link{"Part of", it.Parent})
	}
	milestone := ""
	if g.Milestone != nil {
		milestone = g.Milestone.Title
	}
	it.Description = withLines(tidy(g.Body),
		labelled("Labels", strings.Join(labels, ", ")),
		labelled("Milestone", milestone),
		labelled("Issue", g.URL))
	for _, c := range g.Comments {
		it.Notes = append(it.Notes, remark(c.Author.Login, c.CreatedAt, c.Body))
	}
	return it
}

// elsewhere reports whether the reference is known to lead to another repository.
func (g *ghIssue) elsewhere(ref ghRef) bool {
	mine, other := repo(g.URL), repo(ref.URL)
	return mine != "" && other != "" && mine != other
}
