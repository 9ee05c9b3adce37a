package metricstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/prometheus/prometheus/tsdb/wlog"

	"hinomi/internal/store"
)

// logSyncer makes one of the TSDB's log directories durable. The TSDB writes
// every record out to its segment file before an append returns (wlog flushes
// its page at the end of each Log call) but does not fsync. A descriptor of our
// own on the same file reaches the same inode, so syncing it syncs those bytes.
// It is not safe for concurrent use; groupSync serialises it.
type logSyncer struct {
	dir      string
	segment  int      // number of the open segment, -1 before the first
	file     *os.File // own descriptor of that segment
	synced   int64    // its size at the last successful sync
	syncFile func(f *os.File, size int64) error
}

func newLogSyncer(dir string) *logSyncer {
	return &logSyncer{dir: dir, segment: -1, syncFile: func(f *os.File, _ int64) error { return f.Sync() }}
}

// sync makes everything durable that was in the directory when it was called.
func (l *logSyncer) sync() error {
	if l.file == nil {
		return l.advance()
	}
	// The usual case: no rotation since the last sync.
	nlink, err := l.syncOpen()
	if err != nil {
		return err
	}
	_, err = os.Stat(wlog.SegmentName(l.dir, l.segment+1))
	if errors.Is(err, fs.ErrNotExist) && nlink > 0 {
		return nil
	}
	return l.advance()
}

// advance syncs every segment after the open one, oldest first, and keeps the
// newest open.
func (l *logSyncer) advance() error {
	segments, err := listSegments(l.dir)
	if err != nil {
		return err
	}
	moved := false
	for _, n := range segments {
		if n <= l.segment {
			continue
		}
		f, err := os.Open(wlog.SegmentName(l.dir, n))
		if errors.Is(err, fs.ErrNotExist) {
			continue // truncated since it was listed: its samples are in a block
		}
		if err != nil {
			return err
		}
		if err := errors.Join(l.close(), l.take(n, f)); err != nil {
			return err
		}
		moved = true
	}
	if moved {
		// A new file is only there after a crash if its name is durable too.
		return syncDir(l.dir)
	}
	return nil
}

func (l *logSyncer) take(n int, f *os.File) error {
	l.segment, l.file, l.synced = n, f, -1
	_, err := l.syncOpen()
	return err
}

// syncOpen syncs the open segment if it grew, and returns its link count.
func (l *logSyncer) syncOpen() (nlink uint64, err error) {
	info, err := l.file.Stat()
	if err != nil {
		return 0, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		nlink = uint64(st.Nlink)
	}
	if info.Size() == l.synced {
		return nlink, nil
	}
	if err := l.syncFile(l.file, info.Size()); err != nil {
		return nlink, err
	}
	l.synced = info.Size()
	return nlink, nil
}

func (l *logSyncer) close() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

func listSegments(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the out-of-order log does not exist when that is off
	}
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// syncLogs makes both logs durable.
func (s *Store) syncLogs() error {
	for _, l := range s.logs {
		if err := l.sync(); err != nil {
			return fmt.Errorf("%w: sync %s: %w", store.ErrStorage, filepath.Base(l.dir), err)
		}
	}
	return nil
}
