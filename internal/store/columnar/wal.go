package columnar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/store"
)

const (
	walMagic   = "HINOWAL1"
	frameMagic = 0x464e4948 // "HINF"
	// frameHead is magic, length, CRC-32C of the payload: 4 bytes each.
	frameHead = 12
	// maxFrameBytes bounds one frame; a request is limited far below it.
	maxFrameBytes = 256 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// wal appends frames to numbered files and fsyncs in groups: the first waiter
// syncs for everyone who wrote before it; whoever writes meanwhile waits for
// the next sync. There is no timer, so a lone writer pays one fsync.
type wal struct {
	fs  vfs.FS
	dir string
	log *slog.Logger

	mu    sync.Mutex
	cond  *sync.Cond
	cur   *walFile // nil until the next append makes one
	num   uint64   // of cur, or of the next file
	bytes int64    // in all files that are still kept
	// fileFailed counts files given up after a failed sync; the table flushes
	// its memtable when it grows, because such a file may be unreadable.
	fileFailed uint64
}

// walFile is one file with the state of its frames. A frame is durable when
// synced reaches it; after a failed sync none of the unsynced ones ever is.
type walFile struct {
	num     uint64
	file    vfs.File
	written uint64
	synced  uint64
	syncing bool
	failed  bool
	retired bool // no more appends; closed by the last waiter
	waiters int
}

func openWAL(fs vfs.FS, dir string, num uint64, log *slog.Logger) *wal {
	w := &wal{fs: fs, dir: dir, num: num, log: log}
	w.cond = sync.NewCond(&w.mu)
	return w
}

func walName(num uint64) string { return fmt.Sprintf("%012d.wal", num) }

// walFiles lists the WAL files of dir by number, ascending.
func walFiles(fs vfs.FS, dir string) ([]uint64, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	var nums []uint64
	for _, n := range names {
		if base, ok := strings.CutSuffix(n, ".wal"); ok {
			if num, err := strconv.ParseUint(base, 10, 64); err == nil {
				nums = append(nums, num)
			}
		}
	}
	slices.Sort(nums)
	return nums, nil
}

// append writes a frame and returns once it is on disk. The first frameHead
// bytes of frame are room for the header, the rest is the payload.
func (w *wal) append(frame []byte) error {
	payload := frame[frameHead:]
	if len(payload) > maxFrameBytes {
		return fmt.Errorf("record of %d bytes is over the WAL limit of %d, send smaller requests", len(payload), maxFrameBytes)
	}
	binary.LittleEndian.PutUint32(frame, frameMagic)
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(frame[8:], crc32.Checksum(payload, castagnoli))

	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cur == nil {
		if err := w.create(); err != nil {
			return diskError("create a WAL file", err)
		}
	}
	f := w.cur
	if _, err := f.file.Write(frame); err != nil {
		// The file may end in half a frame, which recovery skips; everything
		// after goes to a new file.
		w.retire(f)
		return diskError("write the WAL", err)
	}
	w.bytes += int64(len(frame))
	f.written++
	return w.wait(f, f.written)
}

// wait returns when frame seq of f is durable. The lock is held on entry and
// exit.
func (w *wal) wait(f *walFile, seq uint64) error {
	f.waiters++
	defer func() {
		f.waiters--
		w.closeRetired(f)
	}()
	for f.synced < seq {
		switch {
		case f.failed:
			return fmt.Errorf("sync the WAL: %w", store.ErrStorage)
		case f.syncing:
			w.cond.Wait()
		default:
			w.sync(f)
		}
	}
	return nil
}

func (w *wal) sync(f *walFile) {
	upTo := f.written
	f.syncing = true
	w.mu.Unlock()
	err := f.file.SyncData()
	w.mu.Lock()
	f.syncing = false
	if err != nil {
		// After a failed fsync the kernel may have dropped the dirty pages and
		// a second fsync would lie: the file is never written or synced again.
		w.log.Error("WAL sync failed, its file is given up", "file", walName(f.num), "err", err)
		f.failed = true
		w.fileFailed++
		w.retire(f)
	} else {
		f.synced = max(f.synced, upTo)
	}
	w.cond.Broadcast()
}

// retire ends appends to f; the next append makes a new file.
func (w *wal) retire(f *walFile) {
	f.retired = true
	if w.cur == f {
		w.cur = nil
		w.num = f.num + 1
	}
	w.closeRetired(f)
}

func (w *wal) closeRetired(f *walFile) {
	if f.retired && f.waiters == 0 && !f.syncing && f.file != nil {
		_ = f.file.Close()
		f.file = nil
	}
}

func (w *wal) create() error {
	path := w.fs.PathJoin(w.dir, walName(w.num))
	f, err := w.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err = f.Write([]byte(walMagic)); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(w.fs, w.dir)
	}
	if err != nil {
		_ = f.Close()
		w.num++
		return err
	}
	w.cur = &walFile{num: w.num, file: f}
	return nil
}

// rotate ends the current file and returns the number of the next. No append
// may be under way.
func (w *wal) rotate() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cur != nil {
		w.retire(w.cur)
	}
	return w.num
}

// removeBelow deletes the files whose rows are all in segments.
func (w *wal) removeBelow(num uint64) error {
	nums, err := walFiles(w.fs, w.dir)
	if err != nil {
		return err
	}
	var kept int64
	for _, n := range nums {
		path := w.fs.PathJoin(w.dir, walName(n))
		if n < num {
			if err := w.fs.Remove(path); err != nil {
				return err
			}
			continue
		}
		if st, err := w.fs.Stat(path); err == nil {
			kept += st.Size()
		}
	}
	w.mu.Lock()
	w.bytes = kept
	w.mu.Unlock()
	return nil
}

func (w *wal) failures() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fileFailed
}

func (w *wal) size() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes
}

func (w *wal) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cur != nil {
		w.retire(w.cur)
	}
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// diskError turns an I/O error into the store's retryable errors.
func diskError(action string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%s: %w: %w", action, store.ErrNoSpace, err)
	}
	return fmt.Errorf("%s: %w: %w", action, store.ErrStorage, err)
}
