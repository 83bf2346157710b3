package crdt

// register is a last-writer-wins register (Shapiro et al. 2011, "A
// comprehensive study of Convergent and Commutative Replicated Data Types",
// §3.2.1) with [Stamp.Wins] as its order. The zero register was never written.
type register struct {
	stamp Stamp
	value Value
}

// set merges one write.
func (r *register) set(s Stamp, v Value) {
	if r.stamp.Op.IsZero() || s.Wins(r.stamp) {
		*r = register{stamp: s, value: v}
	}
}

// written reports whether any write has arrived.
func (r *register) written() bool { return !r.stamp.Op.IsZero() }

// counter is a counter that can be set: the winning set plus all incs that
// name that set as their base. Incs made apart on the same base add up; a set
// that wins makes the incs on other bases void, as its author had seen them or
// could not have.
//
// Sums are kept for every base, also for those that lost: an inc may name a
// base that its own parents do not cover, and then the order of arrival must
// not decide whether it counts.
type counter struct {
	base register        // the winning set
	incs map[OpID]uint64 // sum of incs by base; the zero OpID is the initial 0
}

// inc merges one increment.
func (c *counter) inc(base OpID, by uint64) {
	if c.incs == nil {
		c.incs = make(map[OpID]uint64, 1)
	}
	c.incs[base] += by
}

// value returns the counter's value.
func (c *counter) value() int64 {
	return c.base.value.Int() + int64(c.incs[c.base.stamp.Op])
}
