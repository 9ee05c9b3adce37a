package columnar

import "hinomi/internal/store"

// colBuilder grows one column. Rows that were skipped get the zero value, and
// count as null when the column is optional.
type colBuilder struct {
	kind     store.Kind
	optional bool
	plain    bool // strings without dictionary
	valid    []bool
	ints     []int64
	floats   []float64
	strs     []string
	codes    []uint32
	dict     []string
	lookup   map[string]uint32
	last     string
	lastCode uint32
	// wasPlain remembers over reset that a dictionary did not pay, and probes
	// counts down to when it is tried again.
	wasPlain bool
	probes   int
}

// probeAgain is after how many blocks a column that was plain gets another try
// with a dictionary.
const probeAgain = 64

// reset empties the column and keeps its memory. fixedPlain is the schema's word
// on dictionaries.
func (c *colBuilder) reset(fixedPlain bool) {
	clear(c.strs)
	clear(c.dict)
	clear(c.lookup)
	c.valid, c.ints, c.floats = c.valid[:0], c.ints[:0], c.floats[:0]
	c.strs, c.codes, c.dict = c.strs[:0], c.codes[:0], c.dict[:0]
	c.last, c.lastCode = "", 0
	c.plain = fixedPlain
	if !fixedPlain && c.wasPlain {
		if c.probes--; c.probes > 0 {
			c.plain = true
		} else {
			c.wasPlain = false
		}
	}
}

func (c *colBuilder) len() int {
	switch c.kind {
	case store.KindInt, store.KindBool:
		return len(c.ints)
	case store.KindFloat:
		return len(c.floats)
	}
	if c.plain {
		return len(c.strs)
	}
	return len(c.codes)
}

func (c *colBuilder) any() bool { return c.len() > 0 }

// prepare makes row the next one to be added; a second value for the same row
// replaces the first.
func (c *colBuilder) prepare(row int) {
	if c.len() > row {
		c.truncate(row)
	}
	c.padNull(row)
	if c.optional {
		c.valid = append(c.valid, true)
	}
}

func (c *colBuilder) addInt(row int, v int64) {
	c.prepare(row)
	c.ints = append(c.ints, v)
}

func (c *colBuilder) addFloat(row int, v float64) {
	c.prepare(row)
	c.floats = append(c.floats, v)
}

func (c *colBuilder) addStr(row int, s string) {
	c.prepare(row)
	c.pushStr(s)
}

func (c *colBuilder) pushStr(s string) {
	if c.plain {
		c.strs = append(c.strs, s)
		return
	}
	if len(c.codes) > 0 && s == c.last {
		c.codes = append(c.codes, c.lastCode)
		return
	}
	code, ok := c.lookup[s]
	if !ok {
		if c.lookup == nil {
			c.lookup = map[string]uint32{}
		}
		code = uint32(len(c.dict))
		c.dict = append(c.dict, s)
		c.lookup[s] = code
		if n := len(c.dict); n%dictProbe == 0 && 2*n > len(c.codes) {
			c.codes = append(c.codes, code)
			c.toPlain()
			return
		}
	}
	c.last, c.lastCode = s, code
	c.codes = append(c.codes, code)
}

func (c *colBuilder) toPlain() {
	c.strs = c.strs[:0]
	for _, code := range c.codes {
		c.strs = append(c.strs, c.dict[code])
	}
	clear(c.dict)
	clear(c.lookup)
	c.codes, c.dict, c.plain = c.codes[:0], c.dict[:0], true
	c.wasPlain, c.probes = true, probeAgain
}

func (c *colBuilder) padNull(n int) {
	for c.len() < n {
		if c.optional {
			c.valid = append(c.valid, false)
		}
		switch c.kind {
		case store.KindInt, store.KindBool:
			c.ints = append(c.ints, 0)
		case store.KindFloat:
			c.floats = append(c.floats, 0)
		default:
			c.pushStr("")
		}
	}
}

func (c *colBuilder) pad(n int) { c.padNull(n) }

func (c *colBuilder) truncate(n int) {
	if c.len() <= n {
		return
	}
	if c.optional {
		c.valid = c.valid[:n]
	}
	switch c.kind {
	case store.KindInt, store.KindBool:
		c.ints = c.ints[:n]
	case store.KindFloat:
		c.floats = c.floats[:n]
	default:
		if c.plain {
			c.strs = c.strs[:n]
		} else {
			c.codes = c.codes[:n]
		}
	}
}

func (c *colBuilder) finish(n int) *store.Vec {
	c.padNull(n)
	v := &store.Vec{Kind: c.kind}
	if c.optional {
		v.Valid = c.valid
	}
	switch {
	case c.kind == store.KindInt || c.kind == store.KindBool:
		v.Ints = c.ints
	case c.kind == store.KindFloat:
		v.Floats = c.floats
	case c.plain:
		v.Strs = c.strs
	default:
		v.Codes, v.Dict = c.codes, c.dict
	}
	return v
}
