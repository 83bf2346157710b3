package intake

// Bounds of what is brought in, with their reasons. The bounds of names, descriptions, notes
// and dependencies are those of packages pipeline and crdt.
const (
	// MaxSource bounds a file that is brought in as a whole, in bytes: ten thousand stories with long texts.
	MaxSource = 256 << 20
	// maxFile bounds one file of a folder, in bytes: tasks are pages, and a file beyond the bound is
	// something else.
	maxFile = 8 << 20
	// maxColumns bounds the columns of CSV: trackers export some hundred, and each is compared with those before it.
	maxColumns = 2000
	// maxFrontMatter bounds the front matter of a file, in bytes: several times what any tool writes.
	maxFrontMatter = 64 << 10
	// maxSubtasks bounds how deep subtasks stand in each other: task-master has one level, and each is read with all
	// that stands in it.
	maxSubtasks = 8
	// maxComment bounds what one person said, in bytes, so that a log in one comment leaves room for
	// the others in the note of a story.
	maxComment = 4 << 10
	// maxKey bounds the ID in a source line, in bytes. A longer one is cut and ends in its hash.
	maxKey = 200
	// maxKeys bounds the source lines of one story: it can have come through as many pipelines.
	maxKeys = 8
	// maxHeadline bounds a name in a preview, in bytes, so that most lines fit a terminal.
	maxHeadline = 80
	// maxPlaces bounds the places that a warning names, so that the warning fits a line or two.
	maxPlaces = 6
	// maxPreview bounds the lines of each part of a preview, so that a summary stays in sight.
	maxPreview = 200
)
