package mirror

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
)

// Report says what a run did.
type Report struct {
	// Written files are new or have another text. Removed files are those of stories that moved or are gone.
	Written, Removed int
	// Current files were as they should be.
	Current int
	// Left files were not touched.
	Left []Left
}

// Left is a file that was not touched.
type Left struct{ Name, Why string }

// Reasons to leave a file, beside what stands there instead of one.
const (
	whyEdited  = "it was edited"
	whyForeign = "huskies-mcp mirror did not write it"
	whyCase    = "the ID of another story there differs only in upper and lower case"
)

// Update makes the files of the folder dir those that are wanted. After an error some files may be
// written and others not, each of them whole, and the next run goes on.
func Update(dir string, wanted []File) (Report, error) {
	f, err := openFolder(dir)
	if err != nil {
		return Report{}, err
	}
	defer f.close()
	text, err := f.readManifest()
	if err != nil {
		return Report{}, err
	}
	r := run{folder: f, manifest: parseManifest(text), onDisk: text}
	if err := r.plan(wanted); err != nil {
		return r.report, err
	}
	if err := r.do(); err != nil {
		return r.report, err
	}
	if len(r.manifest) == 0 && r.onDisk == nil {
		return r.report, nil
	}
	return r.report, r.save()
}

// run is one run on a folder.
type run struct {
	folder   *folder
	manifest manifest
	onDisk   []byte // the manifest's text
	report   Report
	changes  []change
}

// plan decides what becomes of each file. Afterwards the manifest has what is current and what changes.
func (r *run) plan(wanted []File) error {
	wanted = slices.SortedFunc(slices.Values(wanted), func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	names := map[string]bool{} // in lower case, as some file systems see them
	kept := manifest{}
	for _, file := range wanted {
		fold := strings.ToLower(file.Name)
		if names[fold] {
			r.leave(file.Name, whyCase)
			continue
		}
		names[fold] = true
		if err := r.planFile(file, kept); err != nil {
			return err
		}
		delete(r.manifest, file.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.manifest)) {
		at, err := r.folder.look(name)
		switch {
		case err != nil:
			return err
		case !at.there:
			continue
		case r.owns(name, at):
			r.changes = append(r.changes, change{name: name, seen: at})
		default:
			r.leave(name, cmp.Or(at.wrong, whyEdited))
		}
		kept[name] = r.manifest[name]
	}
	r.manifest = kept
	return nil
}

// planFile decides what becomes of a file that is wanted, and what the manifest keeps of it.
func (r *run) planFile(file File, kept manifest) error {
	at, err := r.folder.look(file.Name)
	if err != nil {
		return err
	}
	switch sum := hash(sha256.Sum256(file.Text)); {
	case at.there && at.hash == sum:
		r.report.Current++
		kept.add(file.Name, sum)
		return nil
	case !at.there || r.owns(file.Name, at):
		r.changes = append(r.changes, change{file.Name, at, file.Text})
	case at.wrong != "":
		r.leave(file.Name, at.wrong)
	case r.manifest[file.Name] != nil:
		r.leave(file.Name, whyEdited)
	default:
		r.leave(file.Name, whyForeign)
	}
	if had := r.manifest[file.Name]; had != nil {
		kept[file.Name] = had
	}
	return nil
}

// owns reports whether the mirror wrote what is at the name.
func (r *run) owns(name string, at found) bool {
	return at.generated && r.manifest.has(name, at.hash)
}

func (r *run) leave(name, why string) { r.report.Left = append(r.report.Left, Left{name, why}) }

// do makes the changes. Before the first one the manifest on disk gets all new hashes.
func (r *run) do() error {
	if len(r.changes) == 0 {
		return nil
	}
	for _, c := range r.changes {
		if c.text != nil {
			r.manifest.add(c.name, sha256.Sum256(c.text))
		}
	}
	if err := r.save(); err != nil {
		return err
	}
	var first error
	for i, done := range r.folder.makeAll(r.changes) {
		c := r.changes[i]
		switch {
		case done.err != nil:
			first = cmp.Or(first, done.err)
		case done.left != "":
			r.leave(c.name, done.left)
		case c.text == nil:
			delete(r.manifest, c.name)
			r.report.Removed++
		default:
			r.manifest[c.name] = []hash{sha256.Sum256(c.text)}
			r.report.Written++
		}
	}
	return first
}

// save brings the manifest on disk up to date.
func (r *run) save() error {
	text := r.manifest.text()
	if bytes.Equal(text, r.onDisk) {
		return nil
	}
	r.onDisk = text
	return r.folder.write(manifestName, text, 0)
}
