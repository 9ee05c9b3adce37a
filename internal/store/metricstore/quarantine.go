package metricstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// setAside holds a second name for every log file while the TSDB opens. The
// TSDB's repair deletes damaged files; a hard link costs nothing and keeps
// their content, so a damaged log can still be studied or mined afterwards.
type setAside struct{ dir string }

func keepAside(root string, now time.Time) (*setAside, error) {
	a := &setAside{dir: filepath.Join(root, "quarantine", now.UTC().Format("20060102T150405.000"))}
	for _, name := range []string{"wal", "wbl"} {
		if err := linkSegments(filepath.Join(root, name), filepath.Join(a.dir, name)); err != nil {
			return nil, errors.Join(fmt.Errorf("keep metric log aside: %w", err), a.discard())
		}
	}
	return a, nil
}

func linkSegments(from, to string) error {
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	made := false
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil || e.IsDir() {
			continue
		}
		if !made {
			if err := os.MkdirAll(to, 0o750); err != nil {
				return err
			}
			made = true
		}
		if err := os.Link(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// keep makes the set-aside files durable.
func (a *setAside) keep() error {
	for _, d := range []string{filepath.Join(a.dir, "wal"), filepath.Join(a.dir, "wbl"), a.dir, filepath.Dir(a.dir)} {
		if err := syncDir(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// discard removes the second names again.
func (a *setAside) discard() error {
	if err := os.RemoveAll(a.dir); err != nil {
		return fmt.Errorf("remove files kept aside: %w", err)
	}
	// The parent goes too when it is empty; otherwise older finds stay in it.
	_ = os.Remove(filepath.Dir(a.dir))
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
