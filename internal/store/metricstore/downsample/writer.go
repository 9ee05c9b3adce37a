package downsample

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// TempSuffix ends the name of a directory that is not a block yet. What a
// crash leaves of it is removed by the next start.
const TempSuffix = ".tmp-for-creation"

// Writer writes one block. Chunks go to a spool on disk as series come, and in
// the end to the block in the order of the index, which sorts the aggregates of
// a series far apart. What stays in memory until then are the labels and where
// the chunks are, some 300 bytes and the labels for each series.
type Writer struct {
	parent, dir string
	meta        tsdb.BlockMeta
	spool       *spool
	entries     []entry
	series      int32
	symbols     map[string]struct{}
	scratch     List
	builder     *labels.Builder
}

// entry is one aggregate of a series. Its labels are made when it is written.
type entry struct {
	base      labels.Labels
	run       run
	series    int32 // in the order in which they came
	aggregate uint8 // in the order of Aggregates, which is sorted
	// early tells that base has a name that sorts before Label, so that the
	// aggregate does not decide the order alone.
	early bool
}

// NewWriter starts a block for samples in [mint, maxt) below parent.
func NewWriter(parent string, mint, maxt int64) (*Writer, error) {
	id, err := ulid.New(ulid.Timestamp(time.Now()), rand.Reader)
	if err != nil {
		return nil, err
	}
	w := &Writer{
		parent: parent, dir: filepath.Join(parent, id.String()+TempSuffix),
		symbols: map[string]struct{}{Label: {}}, builder: labels.NewBuilder(labels.EmptyLabels()),
	}
	for _, a := range Aggregates() {
		w.symbols[a] = struct{}{}
	}
	w.meta = tsdb.BlockMeta{ULID: id, MinTime: mint, MaxTime: maxt, Version: 1}
	w.meta.Compaction.Level = 1
	w.meta.Compaction.Sources = []ulid.ULID{id}
	if err := os.MkdirAll(w.dir, 0o750); err != nil {
		return nil, err
	}
	if w.spool, err = newSpool(filepath.Join(w.dir, "spool")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(w.dir))
	}
	return w, nil
}

// Add writes the aggregates of one series, in the order of their labels. It
// keeps ls and nothing else.
func (w *Writer) Add(ls labels.Labels, ws []Window) error {
	if len(ws) == 0 {
		return nil
	}
	early := false
	ls.Range(func(l labels.Label) {
		w.symbols[l.Name], w.symbols[l.Value] = struct{}{}, struct{}{}
		early = early || l.Name < Label
	})
	omit := omitted(ws)
	for i, a := range Aggregates() {
		if omit[a] {
			continue
		}
		w.scratch = samples(w.scratch[:0], ws, a)
		if len(w.scratch) == 0 {
			continue
		}
		e := entry{base: ls, series: w.series, aggregate: uint8(i), early: early, run: run{offset: w.spool.end}}
		if err := w.add(&e, w.scratch); err != nil {
			return fmt.Errorf("write %s of %s: %w", a, ls, err)
		}
	}
	w.series++
	return nil
}

func (w *Writer) add(e *entry, samples List) error {
	it := storage.NewSeriesToChunkEncoder(&storage.SeriesEntry{Lset: e.base, SampleIteratorFn: func(chunkenc.Iterator) chunkenc.Iterator {
		return storage.NewListSeriesIterator(samples)
	}}).Iterator(nil)
	for it.Next() {
		c := it.At()
		n := uint64(c.Chunk.NumSamples())
		w.meta.Stats.NumSamples += n
		if c.Chunk.Encoding() == chunkenc.EncFloatHistogram {
			w.meta.Stats.NumHistogramSamples += n
		} else {
			w.meta.Stats.NumFloatSamples += n
		}
		w.meta.Stats.NumChunks++
		if err := w.spool.add(&e.run, c); err != nil {
			return err
		}
	}
	w.meta.Stats.NumSeries++
	w.entries = append(w.entries, *e)
	return it.Err()
}

// order is that of the labels with the aggregate.
func (w *Writer) order(a, b entry) int {
	if a.early || b.early {
		return labels.Compare(w.labels(a), w.labels(b))
	}
	return cmp.Or(cmp.Compare(a.aggregate, b.aggregate), cmp.Compare(a.series, b.series))
}

func (w *Writer) labels(e entry) labels.Labels {
	w.builder.Reset(e.base)
	return w.builder.Set(Label, Aggregates()[e.aggregate]).Labels()
}

// Finish makes the block appear under its name, durably. ok is false when it
// would be empty, and then there is none.
func (w *Writer) Finish(ctx context.Context) (id ulid.ULID, ok bool, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(w.dir))
		}
	}()
	if len(w.entries) > 0 {
		if err := errors.Join(w.spool.w.Flush(), w.writeSorted(ctx)); err != nil {
			return id, false, errors.Join(fmt.Errorf("write chunks and index: %w", err), w.spool.close())
		}
	}
	if err := w.spool.close(); err != nil {
		return id, false, err
	}
	if len(w.entries) == 0 {
		return id, false, os.RemoveAll(w.dir)
	}
	meta, err := json.MarshalIndent(w.meta, "", "\t")
	if err != nil {
		return id, false, err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "meta.json"), meta, 0o640); err != nil {
		return id, false, err
	}
	final := filepath.Join(w.parent, w.meta.ULID.String())
	if err := SyncTree(w.dir); err != nil {
		return id, false, err
	}
	if err := os.Rename(w.dir, final); err != nil {
		return id, false, err
	}
	return w.meta.ULID, true, syncPath(w.parent)
}

// Abort removes what was written.
func (w *Writer) Abort() error { return errors.Join(w.spool.close(), os.RemoveAll(w.dir)) }

func (w *Writer) writeSorted(ctx context.Context) (err error) {
	cw, err := chunks.NewWriter(filepath.Join(w.dir, "chunks"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cw.Close()) }()
	iw, err := index.NewWriter(ctx, filepath.Join(w.dir, "index"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, iw.Close()) }()

	symbols := make([]string, 0, len(w.symbols))
	for s := range w.symbols {
		symbols = append(symbols, s)
	}
	slices.Sort(symbols)
	for _, s := range symbols {
		if err := iw.AddSymbol(s); err != nil {
			return err
		}
	}
	slices.SortFunc(w.entries, w.order)
	var metas []chunks.Meta
	for i, e := range w.entries {
		if metas, err = w.spool.read(metas[:0], e.run); err != nil {
			return err
		}
		if err := cw.WriteChunks(metas...); err != nil {
			return err
		}
		if err := iw.AddSeries(storage.SeriesRef(i), w.labels(e), metas...); err != nil {
			return err
		}
	}
	return nil
}

// SyncTree makes a directory and everything in it durable.
func SyncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncPath(path)
	})
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
