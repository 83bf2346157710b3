package pipeline

import (
	"cmp"
	"errors"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// The names of the settings, which are registers of SettingsStory. The limit of a stage is named by
// limitPrefix and the stage.
const (
	NameMaxRetries = "max_retries"
	NameLeaseGrace = "lease_grace"
	limitPrefix    = "limit."
)

// What counts where a pipeline has no setting.
const (
	// DefaultMaxRetries is the retry count at which bump_retry blocks a story.
	DefaultMaxRetries = 3
	// DefaultLeaseGrace is how long a claim outlives the session that made it: long enough for a
	// host to start its server anew, short enough that nobody waits for the work of a dead agent.
	DefaultLeaseGrace = 120 * time.Second
)

// Bounds of the settings, with their reasons.
const (
	// MaxLimit bounds the limit of a stage: more agents than work on one pipeline.
	MaxLimit = 1000
	// MinLeaseGrace and MaxLeaseGrace bound lease_grace. A lease is renewed after a quarter of the
	// grace, and a write may have to wait for the disk and for other processes. After a day without
	// a sign of life nobody comes back.
	MinLeaseGrace = 10 * time.Second
	MaxLeaseGrace = 24 * time.Hour
)

// Settings are the settings of a pipeline as they count.
type Settings struct {
	// MaxRetries is the retry count at which bump_retry blocks a story; 0: never.
	MaxRetries int64
	// LeaseGrace is how long a claim outlives the session that made it.
	LeaseGrace time.Duration
	// limits are how many live claims there may be in a stage.
	limits map[Stage]int
}

// setting is one setting that this build knows.
type setting struct {
	name  string
	field crdt.Field
	// standard is the value that counts where none is set.
	standard string
	// read takes the value into s. It returns the value as people write it, or why it does not count.
	read func(s *Settings, value string) (string, error)
}

// settings are all settings, in the order in which people see them.
var settings = []setting{
	{NameMaxRetries, fieldMaxRetries, strconv.Itoa(DefaultMaxRetries), readMaxRetries},
	limit(fieldLimitCurrent, Current),
	limit(fieldLimitQA, QA),
	limit(fieldLimitMerge, Merge),
	{NameLeaseGrace, fieldLeaseGrace, SpellDuration(DefaultLeaseGrace), readLeaseGrace},
}

// LimitName returns the name of the limit of a stage.
func LimitName(stage Stage) string { return limitPrefix + string(stage) }

// limit returns the setting of how many live claims there may be in a stage.
func limit(field crdt.Field, stage Stage) setting {
	name := LimitName(stage)
	return setting{name, field, "", func(s *Settings, value string) (string, error) {
		n, err := readNumber(name, value, 1, MaxLimit)
		if err == nil {
			s.limits[stage] = int(n)
		}
		return strconv.FormatInt(n, 10), err
	}}
}

func readMaxRetries(s *Settings, value string) (string, error) {
	n, err := readNumber(NameMaxRetries, value, 0, MaxRetryCount)
	if err == nil {
		s.MaxRetries = n
	}
	return strconv.FormatInt(n, 10), err
}

func readNumber(name, value string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < least || n > most {
		return 0, refuse(Fact{Code: CodeBadSetting, Field: name, Given: value, Least: least, Most: most})
	}
	return n, nil
}

func readLeaseGrace(s *Settings, value string) (string, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < MinLeaseGrace || d > MaxLeaseGrace || d%time.Second != 0 {
		return "", refuse(Fact{Code: CodeBadSetting, Field: NameLeaseGrace, Given: value, Least: int64(MinLeaseGrace / time.Second), Most: int64(MaxLeaseGrace / time.Second)})
	}
	s.LeaseGrace = d
	return SpellDuration(d), nil
}

// SettingNames returns the names of the settings, in the order in which people see them.
func SettingNames() (names []string) {
	for _, def := range settings {
		names = append(names, def.name)
	}
	return names
}

// settingNamed returns the setting with the name, or an error that names all of them.
func settingNamed(name string) (*setting, error) {
	i := slices.IndexFunc(settings, func(def setting) bool { return def.name == name })
	if i < 0 {
		return nil, refuse(Fact{Code: CodeNoSetting, Given: name})
	}
	return &settings[i], nil
}

// noSettings returns what counts where nothing is set.
func noSettings() *Settings {
	return &Settings{MaxRetries: DefaultMaxRetries, LeaseGrace: DefaultLeaseGrace, limits: make(map[Stage]int)}
}

// Settings returns the settings of the pipeline as they count. A value that is out of its bounds does
// not count: another build wrote it. Whether somebody deleted SettingsStory does not matter.
func (s *State) Settings() *Settings {
	if s.settings != nil {
		return s.settings
	}
	s.settings = noSettings()
	c := s.known(SettingsStory)
	if c == nil {
		return s.settings
	}
	for _, def := range settings {
		if value := c.Str(def.field); value != "" {
			_, _ = def.read(s.settings, value) // what does not count leaves the default
		}
	}
	return s.settings
}

// Settings returns the settings of the pipeline as they count in the transaction.
func (tx *Tx) Settings() *Settings { return tx.state.Settings() }

// SetSetting writes a setting. An empty value clears it, so that the default counts. SetSetting
// reports false where nothing changes.
func (tx *Tx) SetSetting(name, value string) (changed bool, err error) {
	def, err := settingNamed(name)
	if err == nil && value != "" {
		value, err = def.read(noSettings(), strings.TrimSpace(value))
	}
	if err == nil {
		err = tx.bind(SettingsStory)
	}
	if err != nil {
		return false, err
	}
	if c := tx.state.known(SettingsStory); tx.state.err != nil || c == nil && value == "" || c != nil && c.Str(def.field) == value {
		return false, tx.state.err
	}
	tx.set(nil, name, crdt.String(value))
	return true, nil
}

// Setting is what people see of a setting.
type Setting struct {
	Name string
	// Value is what somebody set, "" if nobody did or if it was cleared. Default is what counts then.
	Value, Default string
	// Ignored says why Value does not count. A nil Ignored means that it does.
	Ignored *Fact
	// Set is the op that set or cleared the value, nil if there is none.
	Set *crdt.Op
}

// Counts returns the value that counts, "" for none.
func (s *Setting) Counts() string {
	if s.Ignored != nil {
		return s.Default
	}
	return cmp.Or(s.Value, s.Default)
}

// SettingsBy returns the settings as the applied ops on SettingsStory give them, in whatever order the
// ops come. Those that this build does not know stand at the end. SettingsBy agrees with
// [State.Settings], which reads less.
func SettingsBy(ops iter.Seq[*crdt.Op]) []Setting {
	won := make(map[string]Setting)
	for op := range ops {
		for i := range op.Edits {
			e := &op.Edits[i]
			if last := won[e.Field].Set; e.Kind != crdt.KindSet || last != nil && !op.Stamp().Wins(last.Stamp()) {
				continue
			}
			if _, declared := schema.Field(e.Field); declared && e.Value.Type() != crdt.TypeString {
				continue // it merges as nothing
			}
			value := Describe(e).Value
			won[e.Field] = Setting{Name: e.Field, Value: value, Set: op}
		}
	}
	var all []Setting
	for _, def := range settings {
		is := won[def.name]
		is.Name, is.Default = def.name, def.standard
		if is.Value != "" {
			var why *Error
			if _, err := def.read(noSettings(), is.Value); errors.As(err, &why) {
				is.Ignored = &why.Fact
			}
		}
		all = append(all, is)
	}
	for _, name := range slices.Sorted(maps.Keys(won)) {
		_, declared := schema.Field(name)
		if is := won[name]; !declared && is.Value != "" {
			is.Ignored = &Fact{Code: CodeNoSetting, Given: name}
			all = append(all, is)
		}
	}
	return all
}
