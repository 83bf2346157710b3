package board

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/huskies/huskies-mcp/internal/layered"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// maxBoxes bounds the stories of one drawing. Nobody can follow more of them, and each is a story to read.
const maxBoxes = 300

// depths are the distances that the reader of a story can choose. A distance is how many dependencies in a row
// the drawing follows. The first one is the default.
var depths = []struct {
	Name   string
	levels int
}{{"1", 1}, {"2", 2}, {"3", 3}, {"all", maxBoxes}}

// depthOf returns the distance that an address names.
func depthOf(q url.Values) (name string, levels int) {
	for _, d := range depths {
		if d.Name == q.Get("depth") {
			return d.Name, d.levels
		}
	}
	return depths[0].Name, depths[0].levels
}

// readGraph makes the drawing of a story, to the distance that the address names.
func readGraph(v *replica.View, r *http.Request, d *detail) error {
	depth, levels := depthOf(r.URL.Query())
	n, err := nearbyOf(v, d.ID, levels)
	if err != nil {
		return err
	}
	d.Graph = n.draw(depth)
	return nil
}

// nearby are the stories that one story depends on and those that depend on it, over others too: the
// boxes of a drawing, the story itself first.
type nearby struct {
	view  *replica.View
	boxes []box
	edges []layered.Edge
	// byID has the place of each story in boxes. byNumber has the places of all stories with a number. If
	// there are none, it has the place of the box that says so. A number without an entry was not looked up.
	byID     map[string]int
	byNumber map[uint32][]int
	// most is how many boxes there is room for. more says that a story found no room.
	most int
	more bool
}

// box is a story of a drawing.
type box struct {
	linked
	// Class has the classes of the box in the stylesheet: its stage, and whether it is blocked, waiting or ready.
	Class string
	// State says the same in words.
	State     string
	dependsOn []uint32
}

// nearbyOf reads the stories up to a distance from one: at each step those that come first, then those that
// wait. So the nearest ones are there if there is no room for all.
func nearbyOf(v *replica.View, id string, levels int) (*nearby, error) {
	st, err := v.Outline(id)
	if err != nil {
		return nil, err
	}
	n := &nearby{view: v, byID: make(map[string]int), byNumber: make(map[uint32][]int), most: maxBoxes}
	n.add(&st)
	before, after := newSearch(n.before), newSearch(n.after)
	for level := 0; !n.more && len(before.last)+len(after.last) > 0; level++ {
		if level == levels { // only to learn whether there are more
			n.most = len(n.boxes)
		}
		before.step()
		after.step()
	}
	n.join()
	return n, v.Err()
}

// search goes from box to box in one direction. In a circle, both directions lead to the same boxes.
type search struct {
	beside func(at int) []int
	seen   map[int]bool
	last   []int // the boxes that the last step found
}

func newSearch(beside func(at int) []int) *search {
	return &search{beside, map[int]bool{0: true}, []int{0}}
}

func (s *search) step() {
	from := s.last
	s.last = nil
	for _, at := range from {
		for _, next := range s.beside(at) {
			if !s.seen[next] {
				s.seen[next] = true
				s.last = append(s.last, next)
			}
		}
	}
}

// before returns the stories that a box depends on, as far as there is room for them.
func (n *nearby) before(at int) (all []int) {
	for _, number := range n.boxes[at].dependsOn {
		if _, known := n.byNumber[number]; !known {
			n.byNumber[number] = n.lookUp(number)
		}
		all = append(all, n.byNumber[number]...)
	}
	return all
}

// lookUp returns the stories with a number, or a box that says that there are none.
func (n *nearby) lookUp(number uint32) (all []int) {
	if n.more {
		return nil
	}
	stories := n.view.NumberedOutlines(number)
	for i := range stories {
		if at, ok := n.add(&stories[i]); ok {
			all = append(all, at)
		}
	}
	if len(stories) == 0 && n.room() {
		n.boxes = append(n.boxes, box{linked: linked{Label: phrase.Numbers([]uint32{number}), Title: "there is no such story"}, Class: "missing"})
		all = append(all, len(n.boxes)-1)
	}
	return all
}

// after returns the stories that depend on a box, as far as there is room for them.
func (n *nearby) after(at int) (all []int) {
	id := n.boxes[at].ID
	if id == "" || n.more {
		return nil
	}
	ids, _ := n.view.Dependents(id, maxBoxes)
	for _, id := range ids {
		at, known := n.byID[id]
		if !known {
			if !n.room() {
				return all
			}
			st, err := n.view.Outline(id)
			if err != nil {
				return all // the view has the error
			}
			at, _ = n.add(&st)
		}
		all = append(all, at)
	}
	return all
}

// room reports whether there is room for another box, and notes if there is none.
func (n *nearby) room() bool {
	n.more = n.more || len(n.boxes) >= n.most
	return !n.more
}

// add returns the place of a story among the boxes. It is not ok if there is no room.
func (n *nearby) add(st *pipeline.Story) (at int, ok bool) {
	if at, ok := n.byID[st.ID]; ok {
		return at, true
	}
	if !n.room() {
		return 0, false
	}
	n.byID[st.ID] = len(n.boxes)
	n.boxes = append(n.boxes, newBox(st))
	return len(n.boxes) - 1, true
}

// join notes the dependencies between all boxes, also those that were found on other ways.
func (n *nearby) join() {
	numbered := make(map[uint32][]int)
	for at := range n.boxes {
		if number, ok := pipeline.Number(n.boxes[at].ID); ok {
			numbered[number] = append(numbered[number], at)
		}
	}
	for to := range n.boxes {
		for _, number := range n.boxes[to].dependsOn {
			from := numbered[number]
			if len(from) == 0 {
				from = n.byNumber[number]
			}
			for _, from := range from {
				n.edges = append(n.edges, layered.Edge{From: from, To: to})
			}
		}
	}
}

// newBox returns the box of a story.
func newBox(st *pipeline.Story) box {
	b := box{linked: newLinked(st), dependsOn: st.DependsOn}
	b.Class, b.State = stageClass(st.Stage), b.Stage
	switch {
	case b.Done:
	case st.Blocked:
		b.Class, b.State = b.Class+" blocked", b.State+", blocked"
	case len(st.WaitingOn) > 0:
		b.Class, b.State = b.Class+" waiting", b.State+", waits"
	case st.Ready:
		b.Class, b.State = b.Class+" ready", b.State+", ready"
	}
	return b
}

// stageClass returns the class of a stage in the stylesheet.
func stageClass(s pipeline.Stage) string {
	if name, ok := stageNames[s]; ok {
		return strings.ToLower(name)
	}
	return "unknown"
}
