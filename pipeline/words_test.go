package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

func TestTokens(t *testing.T) {
	long := strings.Repeat("ab", 100)
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"only punctuation", "-- !?\n\t__", nil},
		{"story ID", "10_story_add-Login.v2", []string{"10", "story", "add", "login", "v2"}},
		{"case", "ÀÉ ΣΊΣΥΦΟΣ σίσυφος STRAẞE ǅ Ꮕ", []string{"ae", "σισυφοσ", "σισυφοσ", "straße", "ǆ", "ꮕ"}},
		{"diacritics, composed and not", "Crème cre\u0300me Ti\u1ebfng Việt naïve", []string{"creme", "creme", "tieng", "viet", "naive"}},
		{"letters that are not a base letter with a diacritic", "Øl Łódź", []string{"øl", "łodz"}},
		{"dotted capital i", "İstanbul", []string{"istanbul"}},
		{"digits of any script", "٣٤ ½", []string{"٣٤", "½"}},
		{"vowel signs belong to their words", "हिन्दी भाषा", []string{"हिन्दी", "भाषा"}},
		{"Arabic and Hebrew", "مرحبا بالعالم שלום", []string{"مرحبا", "بالعالم", "שלום"}},
		{"Korean has spaces", "로그인 추가", []string{"로그인", "추가"}},
		{"Chinese has none", "API設計。第2版", []string{"api", "設", "計", "第", "2", "版"}},
		{"Japanese has none", "ログインが", []string{"ロ", "グ", "イ", "ン", "が"}},
		{"Thai has none", "ไทย", []string{"ไ", "ท", "ย"}},
		{"a script that is newer than 2012", "\U0001E922\U0001E923 x", []string{"\U0001E922\U0001E923", "x"}},
		{"not UTF-8", "a\xffb", []string{"a", "b"}},
		{"too long", long + " b", []string{long[:64], "b"}},
		{"too long, cut between characters", strings.Repeat("ш", 31) + "a" + strings.Repeat("ш", 9), []string{strings.Repeat("ш", 31) + "a"}},
	} {
		if diff := cmp.Diff(test.want, slices.Clip(pipeline.Tokens(test.text)), cmp.Transformer("", func(s []string) string { return strings.Join(s, "|") })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestPhrases(t *testing.T) {
	for _, test := range []struct {
		text, words string
		want        bool
	}{
		{"Add a login page", "login", true},
		{"Add a login page", "log", true},
		{"Add a login page", "ogin", false}, // from the beginning of words
		{"Add a login page", "LOGIN add", true},
		{"Add a login page", "logins", false},
		{"Add a login page", "login logout", false},
		{"Add a login page", "a", true},
		{"Add a login page", "add_a", true},
		{"Add a login page", "a-log", true},
		{"Add a login page", "add-login", false}, // they do not follow each other
		{"Add a login page", "ad-a", false},      // only the last part may go on
		{"Add a login page", "login - page", true},
		{"Add a login page", "*", false},
		{"Add a login page", `"`, false},
		{"Add a login page", `login" OR "x`, false},
		{"Add a login page", `login*`, true},
		{"Add a login page", "NOT", false},
		{"Add a login page", "login AND", false},
		{"画面にログインを追加", "ログイン", true},
		{"画面にログインを追加", "グイ", true},
		{"画面にログインを追加", "ロイ", false},
		{"画面にログインを追加", "ログイン 画面", true},
		{"Füge Anmeldung hinzu", "fuge", true},
		{"Fuge Anmeldung hinzu", "FÜGE", true},
	} {
		texts := slices.Values([]string{"other", test.text})
		if got := pipeline.HasPhrases(texts, pipeline.Phrases(strings.Fields(test.words))); got != test.want {
			t.Errorf("%q in %q: got %v, want %v", test.words, test.text, got, test.want)
		}
	}
}

// TestSearchOfModel: each word may be in another of a story's texts.
func TestSearchOfModel(t *testing.T) {
	m := pipeline.NewModel()
	edits := map[string][]crdt.Edit{
		"1_story_login": {crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("name", crdt.String("Sign in")), crdt.Set("description", crdt.String("by Passkey")), crdt.Note("réviewed twice")},
		"2_story_gone":  {crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("deleted", crdt.Bool(true)), crdt.Note("reviewed")},
		"3_story_new":   {crdt.Set("name", crdt.String("reviewed, no stage"))},
	}
	for i, id := range []string{"1_story_login", "2_story_gone", "3_story_new"} {
		parents, seq := m.Doc().Next()
		if _, err := m.Apply(&crdt.Op{ID: crdt.OpID{byte(i + 1)}, Seq: seq, Parents: parents, Story: id, Edits: edits[id]}); err != nil {
			t.Fatal(err)
		}
	}
	for words, want := range map[string]int{"log sign pass rev": 1, "reviewed": 1, "twice": 1, "gone": 0, "new": 0, "login wice": 0, "?": 0} {
		f := pipeline.Filter{Stages: pipeline.Stages(), Words: strings.Fields(words)}
		page, _, _, err := m.List(f, nil, 10)
		if err != nil || len(page) != want {
			t.Errorf("%q: got %d stories, error %v, want %d", words, len(page), err, want)
		}
		total := 0
		counts, complete, err := m.Counts(f)
		for _, c := range counts {
			total += c.Count
		}
		if err != nil || total != want || !complete {
			t.Errorf("%q: got count %d, complete %v, error %v, want %d", words, total, complete, err, want)
		}
	}
}

// FuzzTokens: tokens are what they are as texts of their own, so that a word copied from
// an answer is found, and upper case finds what lower case does.
func FuzzTokens(f *testing.F) {
	for _, s := range []string{"Crème Straße ǅ İ", "API設計", "ᾳ̈ΐ ŉ ﬁ K Å", "हिन्दी", "e\u0301\u0345", "\u1e9b\u0323"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens := pipeline.Tokens(text)
		for _, token := range tokens {
			if got := pipeline.Tokens(token); len(got) != 1 || got[0] != token {
				t.Fatalf("token %q of %q: got tokens %q", token, text, got)
			}
			if !pipeline.HasPhrases(slices.Values([]string{text}), pipeline.Phrases([]string{token})) {
				t.Fatalf("token %q does not find %q", token, text)
			}
		}
		if len(tokens) > 0 && !pipeline.Phrases([]string{text})[0].In(tokens) {
			t.Fatalf("text %q does not find itself", text)
		}
	})
}
