package columnar

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const ledgerName = "ARCHIVED"

// ledger is a durable record, only appended to, of what was archived and what was
// removed from the archive. Decisions are made by the MANIFEST; this is for people.
type ledger struct {
	fs   vfs.FS
	path string
}

// ledgerLine is one line: CRC-32C in hex, a space, JSON, as in the MANIFEST.
// Either Archived or Removed is set.
type ledgerLine struct {
	Archived string    `json:"archived,omitempty"` // the file in the archive
	Removed  string    `json:"removed,omitempty"`
	Segment  uint64    `json:"segment,omitempty"`
	Rows     int64     `json:"rows,omitempty"`
	Bytes    int64     `json:"bytes,omitempty"`
	CRC      uint32    `json:"crc,omitempty"` // CRC-32C of the whole file
	MinTs    int64     `json:"min_ts,omitempty"`
	MaxTs    int64     `json:"max_ts,omitempty"`
	At       time.Time `json:"at"`
}

// note makes a line durable.
func (l *ledger) note(line ledgerLine) error {
	text, err := formatLine(line)
	if err != nil {
		return err
	}
	_, serr := l.fs.Stat(l.path)
	f, err := l.fs.OpenReadWrite(l.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return diskError("open the ledger of the archive", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return diskError("open the ledger of the archive", err)
	}
	// A line begins even where a crash left a torn one.
	at := st.Size()
	if at > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, at-1); err != nil {
			return diskError("read the ledger of the archive", err)
		}
		if last[0] != '\n' {
			text = append([]byte{'\n'}, text...)
		}
	}
	if _, err := f.WriteAt(text, at); err != nil {
		return diskError("write the ledger of the archive", err)
	}
	if err := f.Sync(); err != nil {
		return diskError("sync the ledger of the archive", err)
	}
	if isNotExist(serr) {
		return syncDir(l.fs, l.fs.PathDir(l.path))
	}
	return nil
}
