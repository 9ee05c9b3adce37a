package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDefaultsAreValid(t *testing.T) {
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.Listen != "127.0.0.1:4300" || c.Logs.Retention.D() != 30*24*time.Hour || c.Logs.MemtableBytes != 32<<20 {
		t.Fatalf("defaults: %+v", c)
	}
}

func TestBadFilesSayWhatToDo(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	for _, f := range files {
		want, err := os.ReadFile(strings.TrimSuffix(f, ".yaml") + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		_, err = Load(f)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(string(want))) {
			t.Errorf("%s: error %v\nwant %s", f, err, want)
		}
	}
}

func TestGoodFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.good.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no good files: %v", err)
	}
	for _, f := range files {
		if _, err := Load(f); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	c, err := Load("testdata/full.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c.Logs.Retention.D() != 7*24*time.Hour || c.Traces.Retention.D() != 30*24*time.Hour {
		t.Errorf("a given key replaces its default, others keep theirs: %+v", c)
	}
	tiers, err := Load("testdata/tiers.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if l := tiers.Logs; len(l.Tiers) != 2 || l.Tiers[0].Dir != filepath.Join("testdata", "warm") || l.Tiers[1].Bucket.Config["endpoint"] != "127.0.0.1:9000" ||
		l.Archive.After.D() != 12*time.Hour || tiers.Traces.Archive.After.D() != 24*time.Hour || tiers.Traces.Archive.Bucket != nil {
		t.Errorf("tiers: %+v", tiers.Logs)
	}
	otlp := c.Ingest["receivers"].(map[string]any)["otlp"].(map[string]any)["protocols"].(map[string]any)
	if _, ok := otlp["grpc"]; ok {
		t.Error("a given ingest section must replace the default one whole")
	}
	if c.Rules.Files[0] != filepath.Join("testdata", "rules/*.yml") {
		t.Errorf("rule files are relative to the configuration: %v", c.Rules.Files)
	}
}

func TestLifecycleSettings(t *testing.T) {
	c, err := Load("testdata/lifecycle.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := c.Logs.RetentionRules
	if len(r) != 3 || r[0].Match.Service != "checkout-*" || len(r[0].Match.Level) != 2 || r[1].Match.Level[0] != "error" || r[2].Keep.D() != 14*24*time.Hour || c.Logs.MaxBytes != 200<<30 {
		t.Errorf("logs: %+v", c.Logs)
	}
	s := c.Traces.Sampling
	if !s.Enabled || s.Default != 0.02 || s.Errors != 1 || len(s.Slow) != 2 || s.Slow[1].Over.D() != 500*time.Millisecond || s.Slow[1].Keep != 0.5 || len(s.Services) != 1 || s.Services[0].Keep != 0.1 {
		t.Errorf("a given list replaces the default one, other keys keep theirs: %+v", s)
	}
	if d, err := Load(""); err != nil || d.Traces.Sampling.Enabled {
		t.Errorf("nothing is sampled unless someone asks: %v", err)
	}
}
