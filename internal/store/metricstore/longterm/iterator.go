package longterm

import (
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"hinomi/internal/store/metricstore/downsample"
)

// newListIterator iterates samples, or fails with err. The engine changes the
// histograms that it gets, and some of these belong to several samples.
func newListIterator(samples []downsample.Sample, err error) chunkenc.Iterator {
	if err != nil {
		return failedIterator{chunkenc.NewNopIterator(), err}
	}
	return storage.NewListSeriesIteratorWithCopy(downsample.List(samples))
}

type failedIterator struct {
	chunkenc.Iterator
	err error
}

// Err implements chunkenc.Iterator.
func (it failedIterator) Err() error { return it.err }
