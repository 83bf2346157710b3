package crdt

import "strings"

// register is a last-writer-wins register (Shapiro et al. 2011, "A
// comprehensive study of Convergent and Commutative Replicated Data Types",
// §3.2.1) with [Stamp.Wins] as its order. The zero register was never written.
type register struct {
	by    opRef
	value Value
}

// set merges one write. A new text is cloned: an op's strings share its payload,
// which a register would keep alive.
func (r *register) set(t *table, by opRef, v Value) {
	if t.wins(by, r.by) {
		if v.str == r.value.str {
			v.str = r.value.str
		} else {
			v.str = strings.Clone(v.str)
		}
		*r = register{by: by, value: v}
	}
}

// written reports whether any write has arrived.
func (r *register) written() bool { return r.by != 0 }

// flag is a register of true or false, as dependencies need many.
type flag struct {
	by opRef
	on bool
}

func (f *flag) set(t *table, by opRef, on bool) {
	if t.wins(by, f.by) {
		*f = flag{by, on}
	}
}

// counter is a counter that can be set: the winning set plus all incs that
// name that set as their base. Incs made apart on the same base add up; a set
// that wins makes the incs on other bases void, as its author had seen them or
// could not have.
//
// Sums are kept for every base, also for those that lost: an inc may name a
// base that its own parents do not cover, and then the order of arrival must
// not decide whether it counts.
type counter struct {
	base register // the winning set
	incs *incs    // nil while there was none
}

// incs are sums of incs.
type incs struct {
	initial uint64          // of those on the initial 0
	onSets  map[OpID]uint64 // of the others, by base
}

// inc merges one increment.
func (c *counter) inc(base OpID, by uint64) {
	if c.incs == nil {
		c.incs = &incs{}
	}
	if base.IsZero() {
		c.incs.initial += by
		return
	}
	if c.incs.onSets == nil {
		c.incs.onSets = make(map[OpID]uint64, 1)
	}
	c.incs.onSets[base] += by
}

// value returns the counter's value.
func (c *counter) value(t *table) int64 {
	value := c.base.value.Int()
	switch {
	case c.incs == nil:
	case c.base.written():
		value += int64(c.incs.onSets[t.id(c.base.by)])
	default:
		value += int64(c.incs.initial)
	}
	return value
}
