package plan

import (
	"context"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// EachUnless is Each that leaves the units unread for which skip, asked with
// their time bounds (both inclusive), is true.
func EachUnless(ctx context.Context, src store.Scanner, scope model.Scope, s Scan, skip func(lo, hi int64) bool, stages []Stage, fn func(*Frame) error) (store.ScanStats, bool, error) {
	return run(ctx, src, scope, s, skip, stages, fn)
}
