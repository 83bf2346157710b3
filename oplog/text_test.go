package oplog

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// checkTexts shows that every text of a known story is indexed or queued, once; that no
// other is; and that the index has exactly the words of each text that is not queued.
func (h *equality) checkTexts(s *Snapshot) {
	h.t.Helper()
	queue, err := readTextQueue(s.ctx, s.q)
	h.must(err)
	queued := make(map[string]bool)
	for _, text := range queue {
		queued[fmt.Sprint(text.kind, " ", text.n)] = true
	}
	indexed := h.indexedWords()
	want, got := make(map[string]string), make(map[string]string)
	for name, text := range h.texts() {
		tokens := pipeline.Tokens(text)
		slices.Sort(tokens)
		want[name], got[name] = strings.Join(tokens, " "), "not there"
		if queued[name] {
			got[name] = want[name]
			delete(queued, name)
			delete(indexed, name)
		}
	}
	for name, words := range indexed {
		slices.Sort(words)
		got[name] = strings.Join(words, " ")
	}
	for name := range queued {
		got[name] = "queued"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("after %s the index has other words (-want +got):\n%s", h.did, diff)
	}
}

// checkWords shows that words find the visible stories that have them and no others: the
// words of one story, and those that stories had at other times.
func (h *equality) checkWords(s *Snapshot) {
	h.t.Helper()
	src := s.Source()
	ids, err := src.IDs("", 1000)
	h.must(err)
	texts := make(map[string][]string)
	for _, id := range ids {
		story, err := src.Story(id)
		h.must(err)
		notes, err := src.Notes(id, 1000)
		h.must(err)
		texts[id] = []string{pipeline.StoryText(story)}
		for _, note := range notes {
			texts[id] = append(texts[id], note.Text)
		}
	}
	searches := [][]string{{"one"}, {"two"}, {"thr"}, {"TWO_three"}, {"画"}, {"面に", "on"}, {"two", "story"}, {"77", "f"}}
	if len(ids) > 0 {
		for _, word := range pipeline.Tokens(strings.Join(texts[h.pick(ids)], "\n")) {
			searches = append(searches, []string{word})
		}
	}
	stages := append(pipeline.Stages(), "9_new")
	for _, words := range searches {
		page, _, _, err := src.List(pipeline.Filter{Stages: stages, Words: words}, nil, 1000)
		h.must(err)
		var want, got []string
		for _, id := range ids {
			if pipeline.HasPhrases(slices.Values(texts[id]), pipeline.Phrases(words)) {
				want = append(want, id)
			}
		}
		for _, story := range page {
			got = append(got, story.ID())
		}
		slices.SortFunc(got, crdt.CompareStoryIDs)
		if diff := cmp.Diff(want, got); diff != "" {
			h.t.Errorf("after %s the words %q find other stories (-want +got):\n%s", h.did, words, diff)
		}
	}
}

// texts returns the texts of known stories by their kind and number.
func (h *equality) texts() map[string]string {
	texts := make(map[string]string)
	h.rows("SELECT n, id, merged FROM stories WHERE status > 0", func(rows *sql.Rows) error {
		var n int64
		var id string
		var merged []byte
		if err := rows.Scan(&n, &id, &merged); err != nil {
			return err
		}
		story, err := decodeStory(id, merged)
		if err == nil {
			texts[fmt.Sprint(textOfStory, " ", n)] = pipeline.StoryText(story)
		}
		return err
	})
	h.rows("SELECT n, text FROM notes", func(rows *sql.Rows) (err error) {
		var n int64
		var text string
		err = rows.Scan(&n, &text)
		texts[fmt.Sprint(textOfNote, " ", n)] = text
		return err
	})
	return texts
}

// indexedWords returns the words that the index has of each text, as often as it has them.
func (h *equality) indexedWords() map[string][]string {
	words := make(map[string][]string)
	for kind, table := range []string{"story_text", "note_text"} {
		vocabulary := "temp.words_of_" + table
		_, err := h.log.file.Conn.ExecContext(context.Background(), "CREATE VIRTUAL TABLE IF NOT EXISTS "+vocabulary+" USING fts5vocab(main, "+table+", instance)")
		h.must(err)
		h.rows("SELECT id, '' FROM "+table+"_docsize UNION ALL SELECT doc, term FROM "+vocabulary, func(rows *sql.Rows) error {
			var n int64
			var word string
			if err := rows.Scan(&n, &word); err != nil {
				return err
			}
			name := fmt.Sprint(kind, " ", n)
			if words[name] = append(words[name], "")[:len(words[name])]; word != "" {
				words[name] = append(words[name], word)
			}
			return nil
		})
	}
	return words
}

func (h *equality) rows(query string, row func(*sql.Rows) error) {
	h.t.Helper()
	rows, err := h.log.file.Conn.QueryContext(context.Background(), query)
	h.must(err)
	defer rows.Close()
	for rows.Next() {
		h.must(row(rows))
	}
	h.must(rows.Err())
}
