package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
)

// Story is a story with all its notes, the oldest first.
type Story struct {
	pipeline.Story
	Notes []pipeline.Note
}

// row is a story as JSON has it. Its members are in the order in which they are written.
type row struct {
	StoryID       string         `json:"story_id"`
	Name          string         `json:"name"`
	Stage         pipeline.Stage `json:"stage"`
	Agent         string         `json:"agent,omitempty"`
	RetryCount    int64          `json:"retry_count,omitempty"`
	Blocked       bool           `json:"blocked,omitempty"`
	BlockedReason string         `json:"blocked_reason,omitempty"`
	DependsOn     []uint32       `json:"depends_on,omitempty"`
	Description   string         `json:"description,omitempty"`
	Notes         []note         `json:"notes,omitempty"`
	UpdatedAt     string         `json:"updated_at,omitempty"`
}

type note struct {
	Text  string `json:"text"`
	Agent string `json:"agent,omitempty"`
	At    string `json:"at,omitempty"`
}

func (s *Story) row() row {
	return row{
		StoryID:       s.ID,
		Name:          s.Name,
		Stage:         s.Stage,
		Agent:         s.Agent,
		RetryCount:    s.RetryCount,
		Blocked:       s.Blocked,
		BlockedReason: s.BlockedReason,
		DependsOn:     s.DependsOn,
		Description:   s.Description,
		Notes:         s.notes(),
		UpdatedAt:     pipeline.FormatTime(s.UpdatedAt),
	}
}

func (s *Story) notes() []note {
	var notes []note
	for _, n := range s.Notes {
		notes = append(notes, note{n.Text, n.Agent, pipeline.FormatTime(n.At)})
	}
	return notes
}

// JSON returns the stories as an array with a story a line, so that two exports can be compared line by
// line.
func JSON(stories []Story) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("[")
	for i := range stories {
		line, err := plainJSON(stories[i].row())
		if err != nil {
			return nil, fmt.Errorf("write story %s: %w", stories[i].ID, err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(line)
	}
	b.WriteString("\n]\n")
	return b.Bytes(), nil
}

// plainJSON returns v as JSON on one line, with "<", ">" and "&" as they are.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// CSV returns the stories as rows under a header, with commas between cells and the notes as JSON. A cell
// that a spreadsheet would take for a formula has an apostrophe before it, which package intake takes away.
func CSV(stories []Story) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	header := []string{"story_id", "name", "stage", "agent", "depends_on", "blocked", "blocked_reason", "retry_count", "description", "notes"}
	if err := w.Write(header); err != nil {
		return nil, fmt.Errorf("write the header: %w", err)
	}
	for i := range stories {
		s := &stories[i]
		cells := []string{s.ID, s.Name, string(s.Stage), s.Agent, list(s.DependsOn), "", s.BlockedReason, "", s.Description, ""}
		if s.Blocked {
			cells[5] = "true"
		}
		if s.RetryCount != 0 {
			cells[7] = strconv.FormatInt(s.RetryCount, 10)
		}
		if len(s.Notes) > 0 {
			notes, err := plainJSON(s.notes())
			if err != nil {
				return nil, fmt.Errorf("write the notes of story %s: %w", s.ID, err)
			}
			cells[9] = string(notes)
		}
		for j := range cells {
			cells[j] = noFormula(cells[j])
		}
		if err := w.Write(cells); err != nil {
			return nil, fmt.Errorf("write story %s: %w", s.ID, err)
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// formula matches a cell that a spreadsheet would take for a formula (owasp.org/www-community/attacks/CSV_Injection),
// and a cell that noFormula would make of one.
var formula = regexp.MustCompile(`^'*[=+\-@\t\r\n]`)

// noFormula returns a cell that a spreadsheet takes for text.
func noFormula(cell string) string {
	if formula.MatchString(cell) {
		return "'" + cell
	}
	return cell
}

// list returns numbers with commas between them.
func list(numbers []uint32) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.FormatUint(uint64(n), 10)
	}
	return strings.Join(texts, ", ")
}
