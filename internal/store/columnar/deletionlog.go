package columnar

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const deletionsName = "DELETIONS"

// deletionRecord is one line of DELETIONS: exactly one member is set.
type deletionRecord struct {
	Request *requestRecord `json:"request,omitempty"`
	Cancel  *cancelRecord  `json:"cancel,omitempty"`
	Proof   *Proof         `json:"proof,omitempty"`
}

// requestRecord is a deletion request as it was made.
type requestRecord struct {
	ID        string          `json:"id"`
	Where     json.RawMessage `json:"where"`              // see predJSON; includes the scope
	Products  []string        `json:"products,omitempty"` // of the requester's scope; none: all
	From      int64           `json:"from"`
	To        int64           `json:"to"`
	Query     string          `json:"query"`
	Who       string          `json:"who"`
	Why       string          `json:"why"`
	Requested time.Time       `json:"requested"`
}

type cancelRecord struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

// deletionLog is the file DELETIONS: lines as those of the MANIFEST. A line is
// durable before it is acted on.
type deletionLog struct {
	fs      vfs.FS
	dir     string
	file    vfs.File // nil: written whole with the next record
	records []deletionRecord
}

// readDeletions returns the records of a table, and how many lines are damaged.
// A torn last line was never acted on.
func readDeletions(fs vfs.FS, dir string) (records []deletionRecord, damaged int, err error) {
	f, err := fs.Open(fs.PathJoin(dir, deletionsName))
	if isNotExist(err) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(f)
	_ = f.Close()
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", deletionsName, err)
	}
	records, damaged = parseDeletions(data)
	return records, damaged, nil
}

func parseDeletions(data []byte) (records []deletionRecord, damaged int) {
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if line == "" {
			continue
		}
		r, err := parseDeletionLine(line)
		switch {
		case err == nil:
			records = append(records, r)
		case i+1 < len(lines):
			damaged++
		}
	}
	return records, damaged
}

func parseDeletionLine(line string) (deletionRecord, error) {
	var r deletionRecord
	if err := parseLine(line, &r); err != nil {
		return r, err
	}
	if r.Request == nil && r.Cancel == nil && r.Proof == nil {
		return r, errors.New("a record of no known kind")
	}
	return r, nil
}

// append makes r durable. After an error the file is as before.
func (l *deletionLog) append(r deletionRecord) error {
	line, err := formatLine(r)
	if err != nil {
		return err
	}
	if l.file == nil {
		if err := l.rewrite(append(l.records[:len(l.records):len(l.records)], r)); err != nil {
			return err
		}
		l.records = append(l.records, r)
		return nil
	}
	if _, err = l.file.Write(line); err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		// What was written of the line must not come back after a crash.
		l.close()
		return errors.Join(diskError("write "+deletionsName, err), l.rewrite(l.records))
	}
	l.records = append(l.records, r)
	return nil
}

// rewrite replaces the file by one with the given records.
func (l *deletionLog) rewrite(records []deletionRecord) error {
	tmp := l.fs.PathJoin(l.dir, deletionsName+".tmp")
	f, err := l.fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return diskError("create "+deletionsName, err)
	}
	for _, r := range records {
		line, lerr := formatLine(r)
		if err = lerr; err == nil {
			_, err = f.Write(line)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = l.fs.Rename(tmp, l.fs.PathJoin(l.dir, deletionsName))
	}
	if err == nil {
		err = syncDir(l.fs, l.dir)
	}
	if err != nil {
		_ = f.Close()
		return diskError("write "+deletionsName, err)
	}
	l.file = f
	return nil
}

func (l *deletionLog) close() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}
