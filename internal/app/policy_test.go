package app

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"hinomi/internal/config"
	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/logstore"
)

// TestRetentionRulesOfTheConfiguration loads rules from a file and asks the log
// store what is left of records of every service, team and level.
func TestRetentionRulesOfTheConfiguration(t *testing.T) {
	cfg, err := loadText(t, `logs:
  retention_rules:
    - {match: {service: "checkout-*", level: [trace, debug]}, keep: 2d}
    - {match: {team: pay*, level: error}, keep: 20d}
    - {match: {team: payments}, keep: 10d}
    - {match: {service: web}, keep: 6d}
`)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s, err := logstore.Open(columnar.Options{FS: vfs.NewMem(), Dir: "/logs", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// Which of the ages 3, 7, 12 and 21 days each kind of record outlives.
	cases := []struct {
		service, team string
		severity      plog.SeverityNumber
		keeps         []int
	}{
		{"checkout-api", "payments", plog.SeverityNumberDebug, nil},
		{"checkout-api", "payments", plog.SeverityNumberError, []int{3, 7, 12}},
		{"checkout-api", "payments", plog.SeverityNumberInfo, []int{3, 7}},
		{"checkout-api", "other", plog.SeverityNumberInfo, []int{3, 7, 12, 21}},
		{"web", "", plog.SeverityNumberInfo, []int{3}},
		{"web", "payroll", plog.SeverityNumberError, []int{3, 7, 12}},
		{"website", "", plog.SeverityNumberDebug, []int{3, 7, 12, 21}},
	}
	var want []string
	ld := plog.NewLogs()
	for i, c := range cases {
		for _, days := range []int{3, 7, 12, 21} {
			rl := ld.ResourceLogs().AppendEmpty()
			rl.Resource().Attributes().PutStr("service.name", c.service)
			if c.team != "" {
				rl.Resource().Attributes().PutStr("team", c.team)
			}
			lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
			lr.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Duration(days) * 24 * time.Hour)))
			lr.SetSeverityNumber(c.severity)
			lr.Body().SetStr(strconv.Itoa(i) + "/" + strconv.Itoa(days))
			if slices.Contains(c.keeps, days) {
				want = append(want, lr.Body().Str())
			}
		}
	}
	if _, err := s.AppendLogs(t.Context(), model.ScopeAll(), ld); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.SetPolicy(logPolicy(&cfg.Logs)); err != nil {
		t.Fatal(err)
	}
	if err := s.ApplyPolicy(); err != nil {
		t.Fatal(err)
	}
	var got []string
	_, err = s.Scan(t.Context(), model.ScopeAll(), store.ScanRequest{To: 1 << 62, Columns: []store.ColumnRef{store.Col(store.ColBody)}}, func(b *store.Batch) error {
		for i := range b.N {
			got = append(got, strings.Clone(b.Cols[0].Str(i)))
		}
		return nil
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n got %v\nwant %v", err, got, want)
	}
}

func TestSamplingOfTheConfiguration(t *testing.T) {
	cfg, err := loadText(t, "traces: {sampling: {enabled: true}}\n")
	if err != nil {
		t.Fatal(err)
	}
	p, err := tracePolicy(&cfg.Traces, func([16]byte) bool { return false })
	if err != nil || p.Sampler == nil || p.Sampler.Grace != time.Hour {
		t.Errorf("%v %+v", err, p)
	}
	if off, err := config.Load(""); err != nil {
		t.Error(err)
	} else if p, err := tracePolicy(&off.Traces, nil); err != nil || p.Sampler != nil {
		t.Errorf("sampled although nobody asked: %v", err)
	}
}

// TestDeleteByQueryThroughLoki deletes one person's lines over HTTP.
func TestDeleteByQueryThroughLoki(t *testing.T) {
	r := start(t)
	for i := range 6 {
		ld, lr := oneLog("line " + strconv.Itoa(i))
		lr.Attributes().PutStr("user", []string{"ann", "bob"}[i%2])
		if code, _, text := sendLogs(t, r, ld); code != http.StatusOK {
			t.Fatalf("%d %s", code, text)
		}
	}
	if got := lines(t, r); len(got) != 6 {
		t.Fatalf("%v", got)
	}
	q := url.Values{"query": {`{service_name="badly"} | user="ann"`}, "start": {strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)}}
	if code, body := post(t, r.base+"/loki/api/v1/delete?"+q.Encode(), "application/x-www-form-urlencoded", ""); code != http.StatusNoContent {
		t.Fatalf("%d %s", code, body)
	}
	// At once, however long the removal takes.
	got := lines(t, r)
	slices.Sort(got)
	if !slices.Equal(got, []string{"line 1", "line 3", "line 5"}) {
		t.Fatalf("%v", got)
	}
	eventually(t, "the removal", func() bool {
		_, body := get(t, r.base+"/loki/api/v1/delete")
		return strings.Contains(body, `"status":"processed"`) && strings.Contains(body, `user=\"ann\"`)
	})
	d := r.stores.logs.Deletions(model.ScopeAll())
	if len(d) != 1 || d[0].Proof == nil || d[0].Proof.Rows != 3 {
		t.Errorf("proof: %+v", d)
	}
	if got := lines(t, r); len(got) != 3 {
		t.Errorf("%v", got)
	}
}

// TestRetentionRulesAreReloaded changes rules without a restart.
func TestRetentionRulesAreReloaded(t *testing.T) {
	r := start(t)
	ld, lr := oneLog("old")
	lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-10 * 24 * time.Hour)))
	young, _ := oneLog("young")
	for _, ld := range []plog.Logs{ld, young} {
		if code, _, text := sendLogs(t, r, ld); code != http.StatusOK {
			t.Fatalf("%d %s", code, text)
		}
	}
	if err := r.stores.logs.Flush(); err != nil {
		t.Fatal(err)
	}
	changed := *r.cfg
	changed.Logs.RetentionRules = []config.LogRule{{Match: config.LogMatch{Service: "bad*"}, Keep: config.Duration(7 * 24 * time.Hour)}}
	if err := r.Reload(t.Context(), &changed); err != nil {
		t.Fatal(err)
	}
	if err := r.stores.logs.ApplyPolicy(); err != nil {
		t.Fatal(err)
	}
	// The query's default range is an hour: ask the store.
	n := 0
	if _, err := r.stores.logs.Scan(t.Context(), model.ScopeAll(), store.ScanRequest{To: 1 << 62}, func(b *store.Batch) error {
		n += b.N
		return nil
	}); err != nil || n != 1 {
		t.Errorf("%d records, %v", n, err)
	}
}
