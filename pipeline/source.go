package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// Source is the merged state of a pipeline, as the rules read it. [Model] holds it in
// memory. A database holds it in tables and answers within one transaction, so that
// all answers fit together.
//
// A story is known when an applied op is about it. A known story is visible when it
// has a stage and is not deleted. Every method may return an error of the storage.
// What a method returns must not be changed.
type Source interface {
	// Story returns the merge data of a story, nil if it is not known.
	Story(id string) (*crdt.Story, error)
	// Dependencies returns the numbers that a story depends on, ascending, and for
	// each what stories with that number there are.
	Dependencies(id string) ([]Dependency, error)
	// Notes returns the last most notes of a story, the last written last.
	Notes(id string, most int) ([]crdt.NoteEntry, error)

	// Number returns what stories with the number there are.
	Number(n uint32) (NumberState, error)
	// Numbered returns up to most known stories with the number, deleted and
	// invisible ones too, in the order of [crdt.CompareStoryIDs].
	Numbered(n uint32, most int) ([]*crdt.Story, error)
	// Newest returns up to most known stories with the greatest numbers, those with
	// the greatest first, those with the same number in the order of
	// [crdt.CompareStoryIDs].
	Newest(most int) ([]*crdt.Story, error)
	// Greatest returns the greatest number that a known story ever had, 0 if none had
	// one.
	Greatest() (uint32, error)
	// Unused returns the least number from 1 on that no known story has; false if there
	// is none.
	Unused() (n uint32, ok bool, err error)
	// SharedNumbers returns up to most numbers of several visible stories, ascending.
	SharedNumbers(most int) ([]uint32, error)

	// Dependents returns up to most of the visible stories that depend on the number,
	// in the order of [crdt.CompareStoryIDs], and how many there are in all. It
	// leaves out the one with the ID except. Open restricts both to unfinished ones.
	Dependents(n uint32, except string, open bool, most int) (ids []string, count int, err error)
	// Edges returns up to most dependencies of the visible stories with the number, by
	// story in the order of [crdt.CompareStoryIDs], then by number. Open restricts
	// them to dependencies that are not met, of unfinished stories.
	Edges(n uint32, open bool, most int) ([]Edge, error)
	// Dependent returns up to most numbers above after with visible stories that depend
	// on something, ascending.
	Dependent(after int64, most int) ([]uint32, error)

	// Claims returns up to most visible stories that the agent has by a claim, in the
	// order of [crdt.CompareStoryIDs]. Whether a claim lasts its lease says.
	Claims(agent string, most int) ([]*crdt.Story, error)
	// Holding returns up to most visible stories of the stage that an agent has by a claim, in
	// the order of [crdt.CompareStoryIDs]. Whether a claim lasts its lease says.
	Holding(stage Stage, most int) ([]*crdt.Story, error)
	// ClaimedBy returns the visible story whose claim is an op with an ID that begins
	// with the hex digits, nil if there is none.
	ClaimedBy(prefix string) (*crdt.Story, error)

	// Count returns the number of known stories.
	Count() (int, error)
	// IDs returns up to most visible stories whose IDs begin with prefix, in the order
	// of [crdt.CompareStoryIDs].
	IDs(prefix string, most int) ([]string, error)
	// Similar returns up to most visible stories whose IDs contain part, in whatever case,
	// in the order of [crdt.CompareStoryIDs].
	Similar(part string, most int) ([]string, error)
	// Agents returns the agents that have a visible story, sorted.
	Agents() ([]string, error)

	// Last returns the story behind which nothing stands in the list but deleted
	// stories, nil if there is none.
	Last() (*crdt.Story, error)
	// Neighbours returns the nearest stories before and after the story in the list
	// that are not deleted, whatever their stages; nil at the ends. The story itself is
	// known and not deleted.
	Neighbours(id string) (before, after *crdt.Story, err error)
	// List returns up to limit visible stories of the stages of f, which it gives one
	// after the other in the order of f.Stages, each in the order of the list. After,
	// if it is not nil, is where to go on: in its stage behind its place, then in the
	// stages that f.Stages names after that one. If f.Stages does not name the stage of
	// after, the list begins with the first of f.Stages. The answer is not ok if after
	// names no place of this pipeline. More reports whether others follow.
	List(f Filter, after *Position, limit int) (page []*crdt.Story, more, ok bool, err error)
	// Counts returns how many visible stories f chooses in each of its stages, in the
	// order of f.Stages, those with none left out. Complete is false if there are more
	// than it counted.
	Counts(f Filter) (counts []StageCount, complete bool, err error)
	// Unknown returns the stages of visible stories that this build does not know, in
	// the order of their names, up to most.
	Unknown(most int) ([]Stage, error)

	// Overwritten returns up to most values that were lost apart since a time, in ms since 1970 UTC: of one
	// story, or of all if the ID is empty, in the order of [CompareOverwritten].
	Overwritten(story string, since int64, most int) ([]Overwritten, error)

	// Gaps returns what is known to be missing.
	Gaps() (Gaps, error)
}

// NumberState says what stories there are with one number.
type NumberState struct {
	// Known counts the known stories, Visible the visible ones of these.
	Known, Visible int
	// Open counts the visible stories that are not finished, Archived those in
	// 6_archived, Deleted the deleted ones.
	Open, Archived, Deleted int
}

// Met reports whether a dependency on the number is met: there are visible stories
// with the number, and all are done or archived.
func (n NumberState) Met() bool { return n.Visible > 0 && n.Open == 0 }

// Dependency is a number that a story depends on.
type Dependency struct {
	Number uint32
	NumberState
}

// Edge is a dependency of one story.
type Edge struct {
	Story  string
	Number uint32
}

// Gaps says what the log is known to lack.
type Gaps struct {
	// Damaged counts the ops that cannot be read any more.
	Damaged int
	// Pending counts the ops of trusted authors that wait for others.
	Pending int
}

// Any reports whether the log lacks anything.
func (g Gaps) Any() bool { return g != Gaps{} }

// Row is what the columns of a database say of a story, so that queries find it.
type Row struct {
	// Number is what the ID begins with, if HasNumber.
	Number    uint32
	HasNumber bool
	// Stage is empty while the story is not visible.
	Stage Stage
	// Agent is the agent that has the story, Claim the claim by which it has it; zero
	// without one.
	Agent string
	Claim crdt.OpID
	// Blocked, Finished (its stage is done or archived) and Deleted are flags.
	Blocked, Finished, Deleted bool
}

// RowOf returns the row of a story.
func RowOf(c *crdt.Story) Row {
	row := Row{
		Stage:   VisibleStage(c),
		Agent:   c.Str(fieldAgent),
		Blocked: c.Bool(fieldBlocked),
		Deleted: c.Deleted(),
	}
	row.Number, row.HasNumber = Number(c.ID())
	row.Finished = row.Stage.met()
	if hasClaim(c) {
		row.Claim = c.Writer(fieldClaim)
	}
	return row
}
