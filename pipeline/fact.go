package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// Code says what is so. Each code has its own words in the outlets.
type Code string

// The codes of errors. Beside each stand the members of [Fact] that it has.
const (
	CodeBadID         Code = "bad_id"         // Given
	CodeBadRev        Code = "bad_rev"        // Given
	CodeBadClaim      Code = "bad_claim"      // Given
	CodeBadStage      Code = "bad_stage"      // Given
	CodeBadType       Code = "bad_type"       // Given
	CodeBadCursor     Code = "bad_cursor"     // a list cannot go on there
	CodeBadDependency Code = "bad_dependency" // Given
	CodeBadNeighbour  Code = "bad_neighbour"  // Field, Given
	CodeBesideItself  Code = "beside_itself"  // Field
	CodeTwoPlaces     Code = "two_places"     // after and before
	CodeTooLong       Code = "too_long"       // Field, Have bytes, Most
	CodeTooMany       Code = "too_many"       // Field, Have elements, Most
	CodeNotUTF8       Code = "not_utf8"       // Field
	CodeRange         Code = "range"          // Field, Have, Least, Most
	CodeRetryFull     Code = "retry_full"     // Have, Count more, Most
	CodeEmptyNote     Code = "empty_note"     // a note says something
	CodeReasonAlone   Code = "reason_alone"   // a reason without a block
	CodeNobody        Code = "nobody"         // Given is a word for no agent
	CodeNoAgent       Code = "no_agent"       // a claim is in a name
	CodeOnItself      Code = "on_itself"      // Number
	CodeUnnumbered    Code = "unnumbered"     // Story
	CodeCircle        Code = "circle"         // IDs: the way round
	CodeRestoreCircle Code = "restore_circle" // Story, IDs: the way round
	CodeSeveral       Code = "several"        // Number, IDs, Count
	CodeNumberTaken   Code = "number_taken"   // Story, Number, IDs, Free
	CodeNumberUsed    Code = "number_used"    // Story, Number, Free
	CodeNoFreeNumber  Code = "no_free_number" // all numbers were used
	CodeInStage       Code = "in_stage"       // Story, Stage
	CodeOtherStage    Code = "other_stage"    // Story, Stage, Given: where it should be
	CodeLastStage     Code = "last_stage"     // Stage
	CodeNoClaim       Code = "no_claim"       // Story, Stage
	CodeNoStory       Code = "no_story"       // Story, Field, IDs that may be meant, Gaps
	CodeNeedsStage    Code = "needs_stage"    // as CodeNoStory
	CodeNoNumber      Code = "no_number"      // Number, Gaps
	CodeDeleted       Code = "deleted"        // Story, Field, End
	CodeMovedOn       Code = "moved_on"       // Story, Given, Rev, Agent
	CodeFull          Code = "full"           // Most
	CodeNotYours      Code = "not_yours"      // Story, Hold, Agent: the caller
	CodeNotFree       Code = "not_free"       // Story, Hold, Agent: the caller
	CodeClaimEnded    Code = "claim_ended"    // Story, Given, End, Stage, Hold
	CodeOtherClaim    Code = "other_claim"    // Story, Given, IDs: whose claim it is, Stage, Hold
	CodeNoSuchClaim   Code = "no_such_claim"  // Given
	CodeStaysBlocked  Code = "stays_blocked"  // Story, Stage, Text
	CodeBlocked       Code = "blocked"        // Story, Text
	CodeWaiting       Code = "waiting"        // Story, Numbers
	CodeFinished      Code = "finished"       // Story
	CodeNoneFree      Code = "none_free"      // Stages, Kept, Crowd
	CodeCrowded       Code = "crowded"        // Story, Crowd
	CodeCarried       Code = "carried"        // Story, Crowd of the stage it cannot be carried into
	CodeElsewhere     Code = "elsewhere"      // Story, Agent
	CodeUnreachable   Code = "unreachable"    // Story
	CodeNotLetIn      Code = "not_let_in"     // Story
	CodeReserved      Code = "reserved"       // Story
	CodeNoMember      Code = "no_member"
	CodeNoSetting     Code = "no_setting"  // Given
	CodeBadSetting    Code = "bad_setting" // Field, Given, Least, Most
)

// The codes of warnings. CodeClaimEnded may be a warning, too.
const (
	CodeMissing         Code = "missing"          // Gaps
	CodeSameName        Code = "same_name"        // Story
	CodeAssigned        Code = "assigned"         // Agent
	CodeStillHeld       Code = "still_held"       // Agent, Stage
	CodeStillBlocked    Code = "still_blocked"    // Stage
	CodeStillDepends    Code = "still_depends"    // Count: how many are left of what was to be taken out
	CodeMovedWaiting    Code = "moved_waiting"    // Numbers
	CodeMovedBack       Code = "moved_back"       // Stage: where it was
	CodeBlockedAnyway   Code = "blocked_anyway"   // Hold
	CodeSearchEnded     Code = "search_ended"     // Most
	CodeAllOfNumber     Code = "all_of_number"    // Given, IDs, Count
	CodeClaimLost       Code = "claim_lost"       // Story, Given, End
	CodeUnknownNumbers  Code = "unknown_numbers"  // Numbers
	CodeDeletedNumbers  Code = "deleted_numbers"  // IDs, Count
	CodeArchivedNumbers Code = "archived_numbers" // IDs, Count
	CodeInCircle        Code = "in_circle"        // IDs: the way round
	CodeSharedNumber    Code = "shared_number"    // IDs, Count, Free
	CodeMadeApart       Code = "made_apart"       // Story, Makers, Count
	CodeOverwritten     Code = "overwritten"      // Story, Overwritten, Count
	CodeStaysBack       Code = "stays_back"       // Stage, Crowd of the stage it would move to
	CodeBackBeyond      Code = "back_beyond"      // Agent, Crowd
)

// MaxNamed bounds the stories and numbers that the words of one fact name: an item must not grow with
// the pipeline.
const MaxNamed = 5

// Fact is a code with its values: why something is refused, or what a reader should know. Members that
// a code does not have are zero.
type Fact struct {
	Code  Code
	Story string
	Stage Stage
	// Field is the name of an argument or field, and Given is what was given.
	Field, Given string
	// Text is what somebody wrote.
	Text  string
	Agent string
	Rev   crdt.OpID
	// Have is a number that was given or counted, Least and Most are its bounds.
	Have, Least, Most int64
	Number            uint32
	Numbers           []uint32
	// Free is a number for a new story, 0 if none is free.
	Free uint32
	// IDs are stories. They may be some of Count.
	IDs    []string
	Count  int
	Stages []Stage
	// Hold is who has the story. A nil Hold means that nobody has it.
	Hold *Hold
	// End is how a claim ended. End is nil if that is not known.
	End  *ClaimEnd
	Gaps Gaps
	Kept []Kept
	// Crowd is what leaves no room in a stage. A nil Crowd means that there is room.
	Crowd  *Crowd
	Makers []crdt.Maker
	// Overwritten are values that were lost apart. They may be some of Count.
	Overwritten []Overwritten
}

// Namesake reports whether the story is held by another session that has the caller's own name.
func (f *Fact) Namesake() bool { return f.Hold != nil && f.Agent != "" && f.Hold.Agent == f.Agent }

// warn adds a warning.
func (tx *Tx) warn(f Fact) { tx.warnings = append(tx.warnings, f) }
