package oplog

import (
	"context"
	"math"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// queuedText is a text that is not indexed as it is now. Its kind and n are those of
// fts_todo.
type queuedText struct {
	kind, n int64
	tokens  []string
}

// readTextQueue returns the texts that are not indexed as they are now.
func readTextQueue(ctx context.Context, q *db.Queries) ([]queuedText, error) {
	stories, err := queuedTexts(ctx, q, textOfStory, 0, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	notes, err := queuedTexts(ctx, q, textOfNote, 0, math.MaxInt64)
	return append(stories, notes...), err
}

// queuedTexts returns up to limit queued texts of one kind, after an n.
func queuedTexts(ctx context.Context, q *db.Queries, kind, after, limit int64) (texts []queuedText, err error) {
	if kind == textOfNote {
		notes, err := q.QueuedNotes(ctx, db.QueuedNotesParams{N: after, Limit: limit})
		for i := range notes {
			texts = append(texts, queuedText{kind, notes[i].N, pipeline.Tokens(notes[i].Text)})
		}
		return texts, err
	}
	rows, err := q.QueuedStories(ctx, db.QueuedStoriesParams{N: after, Limit: limit})
	for i := range rows {
		s, err := decodeStory(rows[i].ID, rows[i].Merged)
		if err != nil {
			return nil, err
		}
		texts = append(texts, queuedText{kind, rows[i].N, pipeline.Tokens(pipeline.StoryText(s))})
	}
	return texts, err
}

// maxQueued is how many texts wait to be indexed: one commit that indexes many costs
// little more than one that indexes a single text.
const maxQueued = 256

// queueText notes that an op has changed the text of a story, if it has.
func (w *stateWriter) queueText(s *openStory, op *crdt.Op) error {
	isText := func(e crdt.Edit) bool {
		return e.Kind == crdt.KindSet && (e.Field == pipeline.NameName || e.Field == pipeline.NameDescription)
	}
	if s.was.status != statusNamed && !slices.ContainsFunc(op.Edits, isText) {
		return nil
	}
	w.queued = true
	return w.q.QueueText(w.ctx, db.QueueTextParams{Kind: textOfStory, N: s.n})
}

// indexTexts indexes all texts that are queued, in the order of n, if there are enough.
func (x textIndex) indexTexts(q *db.Queries, enough int64) error {
	n, err := q.CountQueuedTexts(x.ctx)
	if err != nil || n < enough {
		return err
	}
	for kind := range int64(textOfNote + 1) {
		for after := int64(0); ; {
			texts, err := queuedTexts(x.ctx, q, kind, after, pageSize)
			if err != nil {
				return err
			}
			for i := range texts {
				if err := x.put(&texts[i]); err != nil {
					return err
				}
				after = texts[i].n
			}
			if len(texts) < pageSize {
				break
			}
		}
	}
	return q.DropQueuedTexts(x.ctx)
}
