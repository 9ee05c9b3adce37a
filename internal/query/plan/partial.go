package plan

import (
	"strconv"

	"hinomi/internal/store"
)

// partial is the aggregation of some of the rows.
type partial struct {
	groups *grouper
	acc    accumulator
	used   bool
}

func newPartial(a Aggregate) *partial {
	return &partial{groups: newGrouper(a.Keys, a.SeriesLimit), acc: newAccumulator(a)}
}

func (p *partial) add(f *Frame) error {
	ids, err := p.groups.assign(f)
	if err != nil {
		return err
	}
	p.acc.reserve(len(p.groups.groups))
	return p.acc.add(f, ids)
}

// join takes in other, which must not be used afterwards.
func (p *partial) join(other *partial) error {
	known := map[string]int{}
	var buf []byte
	for i, key := range p.groups.groups {
		buf = appendKey(buf[:0], key)
		known[string(buf)] = i
	}
	for i, key := range other.groups.groups {
		buf = appendKey(buf[:0], key)
		at, ok := known[string(buf)]
		if !ok {
			if limit := p.groups.limit; limit > 0 && len(p.groups.groups) >= limit {
				return &SeriesLimitError{Limit: limit}
			}
			at = len(p.groups.groups)
			known[string(buf)] = at
			p.groups.groups = append(p.groups.groups, key)
			p.acc.reserve(len(p.groups.groups))
		}
		p.acc.merge(at, other.acc, i)
	}
	return nil
}

// appendKey renders a group's key as the grouper tells keys apart: by text.
func appendKey(dst []byte, key []store.Value) []byte {
	for _, v := range key {
		if v.Kind == store.KindNull {
			dst = append(dst, '-')
			continue
		}
		s := v.String()
		dst = strconv.AppendInt(dst, int64(len(s)), 10)
		dst = append(append(dst, ':'), s...)
	}
	return dst
}

func (c *counter) merge(group int, other accumulator, from int) {
	o := other.(*counter)
	for k, n := range o.rows[from] {
		c.rows[group][k] += n
	}
	if c.a.Op == Bytes {
		for k, n := range o.bytes[from] {
			c.bytes[group][k] += n
		}
	}
	if from >= len(o.more) || o.more[from] == nil {
		return
	}
	for len(c.more) <= group {
		c.more = append(c.more, nil)
	}
	if c.more[group] == nil {
		c.more[group] = o.more[from]
		return
	}
	for k, n := range o.more[from] {
		c.more[group][k] += n
	}
}

func (c *folder) merge(group int, other accumulator, from int) {
	o := other.(*folder)
	if c.full || o.full {
		c.full = true
		return
	}
	for k := range o.state[from] {
		c.state[group][k].merge(o.state[from][k])
	}
}
