package prometheus

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// readEncoder gives remote read chunks in the encodings that every remote read
// client knows: the store's own XOR2 chunks are newer than the protocol.
type readEncoder struct {
	storage.SampleAndChunkQueryable
}

// ChunkQuerier implements storage.ChunkQueryable.
func (e readEncoder) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	q, err := e.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return encodingQuerier{q}, nil
}

type encodingQuerier struct{ storage.Querier }

func (q encodingQuerier) Select(ctx context.Context, sortSeries bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.ChunkSeriesSet {
	return storage.NewSeriesSetToChunkSet(plainSet{q.Querier.Select(ctx, sortSeries, hints, ms...)})
}

// plainSet hides start timestamps, which only XOR2 chunks can carry.
type plainSet struct{ storage.SeriesSet }

func (s plainSet) At() storage.Series { return plainSeries{s.SeriesSet.At()} }

type plainSeries struct{ storage.Series }

func (s plainSeries) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	if p, ok := it.(plainIterator); ok {
		it = p.Iterator
	}
	return plainIterator{s.Series.Iterator(it)}
}

type plainIterator struct{ chunkenc.Iterator }

func (plainIterator) AtST() int64 { return 0 }
