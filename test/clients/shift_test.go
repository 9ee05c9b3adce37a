//go:build clients

package clients

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"hinomi/internal/store/storetest"
)

// shift moves generated records, which lie around storetest.Now, to the present.
func shift(ld plog.Logs) {
	by := time.Since(storetest.Now)
	for i := range ld.ResourceLogs().Len() {
		for j := range ld.ResourceLogs().At(i).ScopeLogs().Len() {
			records := ld.ResourceLogs().At(i).ScopeLogs().At(j).LogRecords()
			for k := range records.Len() {
				records.At(k).SetTimestamp(pcommon.NewTimestampFromTime(records.At(k).Timestamp().AsTime().Add(by)))
			}
		}
	}
}
