package longterm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hinomi/internal/store/metricstore/downsample"
)

// progressFile says up to when raw samples are downsampled. A day without
// samples has no blocks, so the blocks do not say it.
const progressFile = "progress.json"

type progress struct {
	Version   int   `json:"version"`
	DoneUntil int64 `json:"doneUntil"` // inclusive, Unix milliseconds
}

func readProgress(dir string) (int64, error) {
	b, err := os.ReadFile(filepath.Join(dir, progressFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var p progress
	if err := json.Unmarshal(b, &p); err != nil || p.Version != 1 || p.DoneUntil < 0 {
		return 0, fmt.Errorf("%s is damaged or of a newer version", filepath.Join(dir, progressFile))
	}
	return p.DoneUntil, nil
}

func writeProgress(dir string, doneUntil int64) error {
	b, err := json.Marshal(progress{Version: 1, DoneUntil: doneUntil})
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, progressFile+".tmp")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o640); err != nil {
		return err
	}
	if err := downsample.SyncTree(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, progressFile)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
