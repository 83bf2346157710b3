package locate

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Ignored reports whether a plain line of a .gitignore file of the work tree at
// root covers the file. It does not see patterns that only git itself understands.
func Ignored(root, file string) bool {
	for dir := range Upwards(filepath.Dir(file)) {
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return false
		}
		sources := []string{filepath.Join(dir, ".gitignore")}
		if dir == root {
			sources = append(sources, filepath.Join(root, ".git", "info", "exclude"))
		}
		for _, source := range sources {
			if link, err := os.Lstat(source); err != nil || !link.Mode().IsRegular() {
				continue // git does not follow a link there either (gitignore(5))
			}
			text, err := ReadPlain(source)
			if err != nil {
				continue
			}
			if is, not := covered(string(text), filepath.ToSlash(rel)); is || not {
				return is
			}
		}
		if dir == root {
			return false
		}
	}
	return false
}

// maxPlain bounds the files that ReadPlain reads: some hosts keep much else in
// their configuration.
const maxPlain = 64 << 20

// ReadPlain reads a file that comes with the project or belongs to a host. It refuses a file that
// is not plain, such as a FIFO, which might never end.
func ReadPlain(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxPlain:
		return nil, fmt.Errorf("%s is not a file of at most %.1f MiB", path, float64(maxPlain)/(1<<20))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxPlain)) // the size of some files of the system is no bound
}

// covered reports whether a line of a .gitignore file covers the file at rel,
// relative to the .gitignore's folder, or takes it out again. The last one counts.
func covered(gitignore, rel string) (is, not bool) {
	parts := strings.Split(rel, "/")
	for line := range strings.SplitSeq(gitignore, "\n") {
		pattern, negated := strings.CutPrefix(strings.TrimSpace(line), "!")
		if covers(pattern, parts) {
			is, not = !negated, negated
		}
	}
	return is, not
}

// covers reports whether a pattern covers a path or a folder above it.
func covers(pattern string, parts []string) bool {
	folders := strings.HasSuffix(pattern, "/")
	anchored := strings.Contains(strings.TrimSuffix(pattern, "/"), "/")
	pattern = strings.Trim(strings.TrimPrefix(pattern, "**/"), "/")
	for i := range parts {
		part := parts[i]
		if anchored {
			part = strings.Join(parts[:i+1], "/")
		}
		if match, _ := path.Match(pattern, part); match && (!folders || i < len(parts)-1) {
			return true
		}
	}
	return false
}
