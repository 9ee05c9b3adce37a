package main

import (
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestNoRowIsOfTheFuture is about the last row of the largest run that is measured.
func TestNoRowIsOfTheFuture(t *testing.T) {
	now := time.Now()
	for _, rows := range []int{1000, 1_000_000, 100_000_000} {
		if last := beginning(options{logs: rows}, now) + int64(rows)*rowNanos; last > now.UnixNano() {
			t.Errorf("the last of %d rows is %s ahead", rows, time.Duration(last-now.UnixNano()))
		}
	}
}

func TestRejectedRowsAreAnError(t *testing.T) {
	answer := plogotlp.NewExportResponse()
	for _, rejected := range []int64{0, 3} {
		answer.PartialSuccess().SetRejectedLogRecords(rejected)
		body, err := answer.MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		if err := allAccepted(body); (err != nil) != (rejected > 0) {
			t.Errorf("%d rejected: %v", rejected, err)
		}
	}
	if err := allAccepted([]byte(`{"text":"ok"}`)); err != nil {
		t.Error(err)
	}
}
