package longterm

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/thanos-io/objstore"

	"hinomi/internal/store/metricstore/downsample"
)

// TestQueriesDuringTheJob asks all the time while days are downsampled, merged,
// left to an object store and deleted: what a query has begun to read stays.
func TestQueriesDuringTheJob(t *testing.T) {
	raw := newRaw(t, tenDays(), day)
	raw.settled = begin + 6*day
	s := openLong(t, raw, begin+31*day, func(o *Options) { o.Bucket, o.LocalBytes = objstore.NewInMemBucket(), 1 })
	step(t, s)
	raw.hidden = begin + 6*day // what is asked for comes from the daily blocks
	raw.settled = begin + 10*day
	before := len(s.of(downsample.FiveMinutes))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		e := newEngine(t)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				rq, err := e.NewInstantQuery(context.Background(), queryable(s), nil, `sum(sum_over_time({job=~"a|b"}[5d]))`, time.UnixMilli(begin+6*day))
				if err != nil {
					t.Error(err)
					return
				}
				v, err := rq.Exec(context.Background()).Vector()
				if err != nil || len(v) != 1 || v[0].F != 5*(1440+288) {
					t.Errorf("%v, %v", v, err)
					rq.Close()
					return
				}
				rq.Close()
			}
		})
	}
	step(t, s)
	close(stop)
	wg.Wait()
	remote := 0
	for _, b := range s.of(downsample.FiveMinutes) {
		if b.remote != nil {
			remote++
		}
	}
	if after := len(s.of(downsample.FiveMinutes)); after >= before || remote == 0 {
		t.Errorf("%d blocks, before %d, %d of them in the object store alone: nothing happened meanwhile", after, before, remote)
	}
}
