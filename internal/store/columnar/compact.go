package columnar

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hinomi/internal/store"
)

const (
	// compactFanIn is how many segments of one size class a partition collects
	// before they are merged; every row is rewritten about log4(size) times.
	compactFanIn = 4
	// compactBytes bounds the input of a merge as it is in memory, because its
	// rows are held decoded while they are merged.
	compactBytes = 96 << 20
)

// compact merges one set of small segments of a partition, if there is one.
func (t *Table) compact() error {
	t.maintain.Lock()
	defer t.maintain.Unlock()
	for {
		inputs := t.pickCompaction()
		if len(inputs) == 0 {
			return nil
		}
		err := t.mergeSegments(inputs)
		for _, s := range inputs {
			s.release()
		}
		if errors.Is(err, errCorrupt) {
			continue // Quarantined now; the others are picked without it.
		}
		if err != nil {
			return err
		}
		select {
		case <-t.stop:
			return nil
		default:
		}
	}
}

// pickCompaction returns acquired segments of one partition and level.
func (t *Table) pickCompaction() []*segment {
	type class struct {
		partition int64
		level     int
	}
	groups := map[class][]*segment{}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, s := range t.segments {
		if s.Memory < compactBytes/compactFanIn && !s.damaged() {
			k := class{t.partition(s.MinTs), s.Level}
			groups[k] = append(groups[k], s)
		}
	}
	for _, list := range groups {
		if len(list) < compactFanIn {
			continue
		}
		slices.SortFunc(list, func(a, b *segment) int { return cmp.Compare(a.MinTs, b.MinTs) })
		var picked []*segment
		total := int64(0)
		for _, s := range list {
			if total+s.Memory > compactBytes {
				break
			}
			total += s.Memory
			picked = append(picked, s)
		}
		if len(picked) < 2 {
			continue
		}
		for _, s := range picked {
			s.acquire()
		}
		return picked
	}
	return nil
}

// damaged tells whether any part of the segment is quarantined. Such a segment
// is left as it is.
func (s *segment) damaged() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.openErr != nil {
		return true
	}
	for i := range s.groups {
		if s.groups[i].bad.Load() {
			return true
		}
	}
	return false
}

func (t *Table) mergeSegments(inputs []*segment) error {
	var blocks []*block
	var ids []uint64
	level := 0
	for _, s := range inputs {
		if err := s.open(); transient(err) {
			return err
		} else if err != nil {
			return fmt.Errorf("%w: %w", errCorrupt, err)
		}
		for g := range s.groups {
			b, err := s.readBlock(g)
			if err != nil {
				t.quarantine(s, g, err)
				return err
			}
			blocks = append(blocks, b)
		}
		ids = append(ids, s.ID)
		level = max(level, s.Level)
	}
	metas, err := t.writeSegments(blocks, level+1)
	if err != nil {
		return err
	}
	if err := t.commit(edit{Add: metas, Remove: ids}, nil); err != nil {
		t.discard(metas)
		return err
	}
	t.metrics.compactions.Inc()
	return nil
}

// readBlock decodes a whole row group without touching the cache.
func (s *segment) readBlock(group int) (*block, error) {
	rows := s.groups[group].rows
	b := &block{n: rows, minTs: s.groups[group].minTs, maxTs: s.groups[group].maxTs, cols: map[string]*store.Vec{}}
	for name, info := range s.columns {
		if name != restColumn && s.schema.Index(name) < 0 && !strings.HasPrefix(name, attrPrefix) {
			continue
		}
		if name == restColumn && !s.restFull {
			continue
		}
		if err := s.verify(group, info.index); err != nil {
			return nil, err
		}
		v, err := s.decode(group, info, 0, rows)
		if err != nil {
			return nil, fmt.Errorf("%w: row group %d column %q: %w", errCorrupt, group, name, err)
		}
		b.cols[name] = v
		b.bytes += vecBytes(v)
	}
	return b, nil
}
