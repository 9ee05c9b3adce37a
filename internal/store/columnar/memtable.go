package columnar

import "time"

const (
	// smallBlockRows is what counts as small; smallBlockRun small blocks in a
	// row are merged, so that a sender of single rows does not make a scan
	// visit thousands of units.
	smallBlockRows = 512
	smallBlockRun  = 32
)

// memtable holds rows that are in the WAL but not yet in a segment. Blocks are
// immutable; the slice is replaced, never changed in place below its length.
type memtable struct {
	blocks []*block
	bytes  int
	rows   int
	since  time.Time
	// walFloor, once frozen, is the first WAL file with rows that are not here.
	walFloor uint64
	// receipts, once frozen, is the number of the first receipt of rows that are
	// not here.
	receipts uint64
}

func newMemtable(now time.Time) *memtable { return &memtable{since: now} }

func (m *memtable) add(s *Schema, b *block) {
	m.blocks = append(m.blocks, b)
	m.bytes += b.bytes()
	m.rows += b.n
	m.coalesce(s)
}

// coalesce merges the run of small blocks at the end once it is long enough.
// A merged block of more than smallBlockRows ends the run, so each row is
// copied about log(rows)/log(run) times.
func (m *memtable) coalesce(s *Schema) {
	run := 0
	for i := len(m.blocks) - 1; i >= 0 && m.blocks[i].n < smallBlockRows && run < smallBlockRun; i-- {
		run++
	}
	if run < smallBlockRun {
		return
	}
	from := len(m.blocks) - run
	merged, err := mergeBlocks(s, m.blocks[from:])
	if err != nil {
		return // They stay as they are; whoever reads them reports it.
	}
	for _, b := range m.blocks[from:] {
		m.bytes -= b.bytes()
	}
	m.bytes += merged.bytes()
	kept := make([]*block, from, from+16)
	copy(kept, m.blocks)
	m.blocks = append(kept, merged)
}
