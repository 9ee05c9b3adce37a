package columnar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/thanos-io/objstore"
)

// readLedger returns the lines that are whole.
func readLedger(fs vfs.FS, path string) ([]ledgerLine, error) {
	f, err := fs.Open(path)
	if isNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	var out []ledgerLine
	for text := range strings.SplitSeq(string(data), "\n") {
		sum, body, ok := strings.Cut(text, " ")
		var line ledgerLine
		if ok && sum == fmt.Sprintf("%08x", crc32.Checksum([]byte(body), castagnoli)) && json.Unmarshal([]byte(body), &line) == nil {
			out = append(out, line)
		}
	}
	return out, nil
}

// archived checks that the archive has exactly the segments that are final, byte
// by byte, and that the ledger says so.
func wantArchive(t *testing.T, tab *Table, b objstore.Bucket, kept ...string) {
	t.Helper()
	want := slices.Clone(kept)
	tab.mu.RLock()
	segments := map[string]*segment{}
	for _, s := range tab.segments {
		if s.Level > 0 {
			name := tab.archiveName(&s.segmentMeta)
			want, segments[name] = append(want, name), s
		}
	}
	strays := len(tab.state.strays)
	tab.mu.RUnlock()
	got := objectsOf(t, b)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || strays != 0 {
		t.Fatalf("archive %v\nwant %v, %d strays", got, want, strays)
	}
	lines, err := readLedger(tab.fs, "/table/"+ledgerName)
	if err != nil {
		t.Fatal(err)
	}
	ledger := map[string]ledgerLine{}
	for _, l := range lines {
		if l.Removed != "" {
			delete(ledger, l.Removed)
		} else {
			ledger[l.Archived] = l
		}
	}
	if len(ledger) != len(want) {
		t.Fatalf("ledger %v\nwant %v", ledger, want)
	}
	for name, s := range segments {
		r, err := b.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		l := ledger[name]
		if int64(len(data)) != s.Bytes || l.Bytes != s.Bytes || l.Rows != s.Rows || l.CRC != crc32.Checksum(data, castagnoli) || l.MinTs != s.MinTs || l.MaxTs != s.MaxTs {
			t.Fatalf("%s: %d bytes, ledger %+v, segment %+v", name, len(data), l, s.segmentMeta)
		}
	}
}

const archiveDelay = 6 * time.Hour

// TestArchive archives days that are over, replaces what late rows change, follows
// a segment through the tiers, and keeps what is too old for the table.
func TestArchive(t *testing.T) {
	for name, archive := range map[string]objstore.Bucket{"memory": objstore.NewInMemBucket(), "S3": newS3(t)} {
		t.Run(name, func(t *testing.T) {
			opts, now := tiered(vfs.NewMem(), objstore.NewInMemBucket())
			opts.Archive = &Archive{Bucket: archive, After: archiveDelay}
			opts.Retention = 40 * 24 * time.Hour
			tab := openTable(t, opts)
			filled(t, tab, 3000)
			moveDue(t, tab)
			if got := objectsOf(t, archive); len(got) != 0 {
				t.Fatalf("archived while the day goes on: %v", got)
			}
			// The day ends 12 hours later, and the archive waits 6 more.
			now.Add(int64(18*time.Hour) - 1)
			moveDue(t, tab)
			if got := objectsOf(t, archive); len(got) != 0 {
				t.Fatalf("archived before the delay: %v", got)
			}
			now.Add(1)
			moveDue(t, tab)
			wantArchive(t, tab, archive)
			if got := objectsOf(t, archive); len(got) != 3 || !strings.HasPrefix(got[0], "signal=test/year=2026/month=11/day=21/0000000000") {
				t.Fatalf("archive %v", got)
			}
			// A fourth segment of the day: all four are merged.
			for i := range 4 {
				if err := errors.Join(add(tab, count(3400)[3000+i*100:3100+i*100]...), tab.Flush()); err != nil {
					t.Fatal(err)
				}
			}
			if err := tab.CompactNow(); err != nil {
				t.Fatal(err)
			}
			if p := places(tab); p[""] != 1 {
				t.Fatalf("not merged: %v", p)
			}
			moveDue(t, tab)
			wantArchive(t, tab, archive)
			// It stays archived on its way through the tiers, and over a restart.
			before := objectsOf(t, archive)
			now.Add(int64(coldAfter + 24*time.Hour))
			moveDue(t, tab)
			moveDue(t, tab)
			if err := tab.Close(); err != nil {
				t.Fatal(err)
			}
			tab = openTable(t, opts)
			moveDue(t, tab)
			wantArchive(t, tab, archive)
			if got := objectsOf(t, archive); !slices.Equal(got, before) || places(tab)["cold"] != 1 {
				t.Fatalf("archive %v, was %v", got, before)
			}
			lines, err := readLedger(tab.fs, "/table/"+ledgerName)
			if err != nil || len(lines) != 3+1+3 {
				t.Fatalf("%d lines, %v", len(lines), err)
			}
			// Retention empties the table and leaves the archive.
			now.Add(int64(opts.Retention))
			if err := tab.expire(opts.Now()); err != nil {
				t.Fatal(err)
			}
			moveDue(t, tab)
			wantRows(t, tab, 0, "expired")
			wantArchive(t, tab, archive, before...)
		})
	}
}

// TestArchiveSurvivesACrashAtEveryStep dies at every change of the disk and of the
// archive while segments are archived, merged with late rows, and archived again.
func TestArchiveSurvivesACrashAtEveryStep(t *testing.T) {
	for _, unsynced := range []int{0, 100} {
		t.Run(fmt.Sprintf("%d%% of unsynced bytes", unsynced), func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			inner := objstore.NewInMemBucket()
			var moments []moment
			recording := false
			rng := rand.New(rand.NewPCG(5, uint64(unsynced)))
			var mu sync.Mutex // the table's own rounds come beside the test's
			step := func(what string) {
				mu.Lock()
				defer mu.Unlock()
				if recording {
					moments = append(moments, moment{what, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rng}), inner.Objects()})
				}
			}
			bucket := &troubled{Bucket: inner}
			bucket.set(func(_ context.Context, op, name string) error {
				step(op + " " + name)
				return nil
			})
			options := func(fs vfs.FS, b objstore.Bucket) (Options, func(time.Duration)) {
				opts, now := tiered(fs, b)
				opts.Tiers, opts.Archive = nil, &Archive{Bucket: b, After: archiveDelay}
				return opts, func(d time.Duration) { now.Add(int64(d)) }
			}
			opts, pass := options(&stepped{FS: mem, step: step}, bucket)
			tab := openTable(t, opts)
			filled(t, tab, 3000)
			pass(18 * time.Hour)
			for i := range 4 {
				if err := errors.Join(add(tab, count(3400)[3000+i*100:3100+i*100]...), tab.Flush()); err != nil {
					t.Fatal(err)
				}
			}
			mu.Lock()
			recording = true
			mu.Unlock()
			moveDue(t, tab)
			if err := tab.CompactNow(); err != nil {
				t.Fatal(err)
			}
			moveDue(t, tab)
			mu.Lock()
			recording = false
			mu.Unlock()
			wantArchive(t, tab, inner)
			if len(moments) < 60 {
				t.Fatalf("only %d moments", len(moments))
			}
			for _, m := range moments {
				b := bucketOf(t, m.objects)
				opts, pass := options(m.fs, b)
				pass(18 * time.Hour)
				tab, err := Open(opts)
				if err != nil {
					t.Fatalf("at %q: %v", m.what, err)
				}
				for range 2 {
					if err := tab.CompactNow(); err != nil {
						t.Fatalf("at %q: %v", m.what, err)
					}
					moveDue(t, tab)
				}
				wantRows(t, tab, 3400, fmt.Sprintf("at %q", m.what))
				if p := path.Base(m.what); !t.Failed() {
					t.Run(p, func(t *testing.T) { wantArchive(t, tab, b) })
				}
				if err := tab.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestTornLedgerLineIsPassedOver appends after a crash that tore the last line.
func TestTornLedgerLineIsPassedOver(t *testing.T) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("/table", 0o755); err != nil {
		t.Fatal(err)
	}
	l := &ledger{fs: fs, path: "/table/" + ledgerName}
	at := testNow
	if err := l.note(ledgerLine{Archived: "a", At: at}); err != nil {
		t.Fatal(err)
	}
	whole := readFile(t, fs, l.path)
	writeFile(t, fs, l.path, append(slices.Clone(whole), whole[:len(whole)/2]...))
	if err := l.note(ledgerLine{Removed: "b", At: at}); err != nil {
		t.Fatal(err)
	}
	lines, err := readLedger(fs, l.path)
	if err != nil || len(lines) != 2 || lines[0].Archived != "a" || lines[1].Removed != "b" {
		t.Fatalf("%+v, %v", lines, err)
	}
}
