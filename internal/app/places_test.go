package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hinomi/internal/config"
)

func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"type: S3\nconfig: {bucket: b, endpoint: 127.0.0.1:1, access_key: a, secret_key: s, insecure: true}\nprefix: x\n": "",
		"type: filesystem\nconfig: {directory: " + dir + "/objects}\n":                                                    "",
		"type: S3\nconfig: {bucket: b, endpoint: e, buckt: 1}\n":                                                          "buckt",
		"type: FILESYSTEM\nconfig: {directory: d, dir: e}\n":                                                              "dir",
		"type: S3\nconfig: {bucket: b}\n":                                                                                 "no s3 endpoint",
	} {
		indented := "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
		cfg, err := loadText(t, "logs:\n  archive:\n   bucket:\n"+indented+"\n")
		if err != nil {
			t.Fatal(err)
		}
		_, archive, err := places("logs", cfg.Logs.Tiers, cfg.Logs.Archive)
		if want == "" && (err != nil || archive == nil) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if cerr := checkPlaces(cfg); (cerr == nil) != (err == nil) {
			t.Errorf("checked: %v, used: %v", cerr, err)
		}
	}
	cfg, err := config.Load("")
	if err != nil {
		t.Fatal(err)
	}
	if tiers, archive, err := places("logs", cfg.Logs.Tiers, cfg.Logs.Archive); err != nil || tiers != nil || archive != nil {
		t.Errorf("by default: %v %v %v", tiers, archive, err)
	}
}

// TestUploadToADirectoryIsWhole fails in the middle: neither the object nor a
// temporary file is there.
func TestUploadToADirectoryIsWhole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "objects")
	b, err := recordBucket(&config.Bucket{Type: "FILESYSTEM", Config: map[string]any{"directory": dir}, Prefix: "p"})
	if err != nil {
		t.Fatal(err)
	}
	broken := io.MultiReader(strings.NewReader("half"), brokenReader{})
	if err := b.Upload(t.Context(), "a/b.parquet", broken); err == nil {
		t.Fatal("no error")
	}
	if files, err := os.ReadDir(filepath.Join(dir, "p", "a")); err != nil || len(files) != 0 {
		t.Fatalf("%v %v", files, err)
	}
	if err := b.Upload(t.Context(), "a/b.parquet", strings.NewReader("whole")); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "p", "a", "b.parquet")); err != nil || string(text) != "whole" {
		t.Fatalf("%q %v", text, err)
	}
	r, err := b.GetRange(t.Context(), "a/b.parquet", 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	part, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || string(part) != "hol" {
		t.Fatalf("%q %v", part, err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("gone") }
