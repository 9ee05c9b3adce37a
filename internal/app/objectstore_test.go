package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hinomi/internal/config"
)

func TestObjectStoreFile(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"type: S3\nconfig: {bucket: b, endpoint: 127.0.0.1:1, access_key: a, secret_key: s, insecure: true}\nprefix: x\n": "",
		"type: filesystem\nconfig: {directory: " + dir + "/objects}\n":                                                    "",
		"type: GCS\nconfig: {bucket: b}\n":                                                                                `type "GCS" is not known, use S3 or FILESYSTEM`,
		"type: S3\nconfig: {endpoint: e}\n":                                                                               "config.bucket is missing",
		"type: S3\nconfg: {}\n":                                                                                           "confg not found",
		"type: S3\nconfig: {bucket: b, endpoint: e, buckt: 1}\n":                                                          "buckt",
	} {
		if err := os.WriteFile(filepath.Join(dir, "store.yml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := &config.Config{Dir: dir}
		cfg.Metrics.ObjectStoreFile = "store.yml"
		b, err := openBucket(cfg)
		if want == "" && (err != nil || b == nil) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if b != nil {
			_ = b.Close()
		}
	}
	cfg := &config.Config{Dir: dir}
	if b, err := openBucket(cfg); b != nil || err != nil {
		t.Errorf("without a file: %v, %v", b, err)
	}
}
