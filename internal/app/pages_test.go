package app

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestDirBytesSumsFilesBelow(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"a": 3, "b/c": 5, "b/d/e": 7} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := dirBytes(dir); n != 15 {
		t.Errorf("%d bytes", n)
	}
	if n := dirBytes(filepath.Join(dir, "gone")); n != 0 {
		t.Errorf("%d bytes in a folder that does not exist", n)
	}
}

func TestCachedAsksAgainAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		get := cached(time.Minute, func() int { asked++; return asked })
		get()
		time.Sleep(30 * time.Second)
		if v := get(); v != 1 {
			t.Errorf("asked %d times within a minute", v)
		}
		time.Sleep(31 * time.Second)
		if v := get(); v != 2 {
			t.Errorf("the value of %d asks after a minute", v)
		}
	})
}

func TestEqualLabelsHaveEqualHashes(t *testing.T) {
	if labelsHash(map[string]string{"a": "1", "b": "2"}) != labelsHash(map[string]string{"b": "2", "a": "1"}) {
		t.Error("the order of labels matters")
	}
	if labelsHash(map[string]string{"a": "12"}) == labelsHash(map[string]string{"a1": "2"}) {
		t.Error("different labels have one hash")
	}
}
