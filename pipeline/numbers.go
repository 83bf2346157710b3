package pipeline

// others returns how many other visible stories have the number of the story, which is
// visible itself or not.
func (s *State) others(id string, visible bool) int {
	n, ok := Number(id)
	if !ok {
		return 0
	}
	count := s.number(n).Visible
	if visible && count > 0 {
		count--
	}
	return count
}

// visibleWith returns up to most visible stories with the number, except one with the ID
// except, in their order.
func (s *State) visibleWith(n uint32, most int, except string) (ids []string) {
	for _, c := range s.numbered(n, maxSameNumber) {
		if VisibleStage(c) != "" && c.ID() != except && len(ids) < most {
			ids = append(ids, c.ID())
		}
	}
	return ids
}

// deletedWith returns a deleted story with the number, "" if there is none among those
// that are looked at.
func (s *State) deletedWith(n uint32) string {
	for _, c := range s.numbered(n, maxSameNumber) {
		if c.Deleted() {
			return c.ID()
		}
	}
	return ""
}

// maxShared bounds the numbers of several stories that are reported.
const maxShared = 100

// SharedNumbers returns the IDs of visible stories that share their number with
// others, by number: the least numbers, and for each the first stories.
func (s *State) SharedNumbers() (shared [][]string) {
	if s.err != nil {
		return nil
	}
	numbers, err := s.src.SharedNumbers(maxShared)
	for _, n := range keep(s, numbers, err) {
		if ids := s.visibleWith(n, maxSameNumber, ""); len(ids) > 0 {
			shared = append(shared, ids)
		}
	}
	return shared
}

// Dependents returns up to most of the visible stories that depend on the story's
// number, in the order of IDs, and how many there are in all.
func (s *State) Dependents(id string, most int) (ids []string, count int) {
	n, ok := Number(id)
	if !ok {
		return nil, 0
	}
	return s.dependents(n, id, false, most)
}

// WaitingFor returns up to most of the unfinished visible stories that depend on the story's number, in the
// order of IDs, and how many there are in all.
func (s *State) WaitingFor(id string, most int) (ids []string, count int) {
	n, ok := Number(id)
	if !ok {
		return nil, 0
	}
	return s.dependents(n, id, true, most)
}

// numbersOf returns the numbers of dependencies.
func numbersOf(dependencies []Dependency) (numbers []uint32) {
	for _, d := range dependencies {
		numbers = append(numbers, d.Number)
	}
	return numbers
}
