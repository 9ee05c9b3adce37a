package columnar

import (
	"time"

	"hinomi/internal/store"
)

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
	room     store.Room // has bytes
}

func newMemtable(now time.Time, room store.Room) *memtable { return &memtable{since: now, room: room} }

// free gives the memory back; scans that began before still read the blocks.
func (m *memtable) free() {
	m.room.Give(int64(m.bytes))
	m.bytes = 0
}

// add takes over a block whose memory the room has already.
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
	apart := 0
	for _, b := range m.blocks[from:] {
		apart += b.bytes()
	}
	m.bytes += merged.bytes() - apart
	m.room.Hold(int64(merged.bytes()))
	m.room.Give(int64(apart))
	kept := make([]*block, from, from+16)
	copy(kept, m.blocks)
	m.blocks = append(kept, merged)
}
