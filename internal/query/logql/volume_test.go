package logql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
)

// TestVolumes: bytes by stream and interval, exact, and estimated from samples, which
// comes to the same when all lines of a stream are equally long.
func TestVolumes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	var rows []naiveRow
	for i := range 200 {
		app := pick(rnd, "a", "bb")
		rows = append(rows, naiveRow{ts: scriptZero.UnixNano() + int64(i)*1e9, line: app + app + app, stream: map[string]string{"app": app}})
	}
	for name, open := range stores {
		s := open(t)
		naivePush(t, s, rows)
		for _, exact := range []int{0, 1} { // 0 is the default, 1 estimates
			eng, err := New(Options{Store: s, ExactVolumeLines: exact})
			if err != nil {
				t.Fatal(err)
			}
			for _, sel := range [][]*labels.Matcher{nil, {labels.MustNewMatcher(labels.MatchEqual, "app", "bb")}} {
				for _, step := range []int64{0, 30e9, 7e9} {
					r := VolumeRequest{From: scriptZero.UnixNano() + 5e9, To: scriptZero.UnixNano() + 150e9, Step: step, Selector: sel}
					got, start, _, err := eng.Volumes(context.Background(), model.ScopeAll(), r)
					if err != nil {
						t.Fatal(err)
					}
					want := map[string]float64{}
					for _, row := range rows {
						if row.ts < r.From || row.ts >= r.To || sel != nil && !sel[0].Matches(row.stream["app"]) {
							continue
						}
						k := int64(0)
						if step > 0 {
							k = row.ts/step - r.From/step
						}
						want[fmt.Sprint(row.stream["app"], k)] += float64(len(row.line))
					}
					for _, v := range got {
						for k, bytes := range v.Bytes {
							key := fmt.Sprint(v.Labels.Get("app"), k)
							if plan.IsAbsent(bytes) {
								bytes = 0
							}
							if bytes != want[key] {
								t.Errorf("%s exact %d step %d: %s has %v, want %v", name, exact, step, key, bytes, want[key])
							}
							delete(want, key)
						}
					}
					if len(want) > 0 || step > 0 && (start+1)%step != 0 {
						t.Errorf("%s step %d: start %d, missing %v", name, step, start, want)
					}
				}
			}
		}
	}
}
