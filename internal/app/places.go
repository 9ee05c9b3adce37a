package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-kit/log"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/filesystem"
	"github.com/thanos-io/objstore/providers/s3"
	"go.yaml.in/yaml/v3"

	"hinomi/internal/config"
	"hinomi/internal/store/columnar"
)

// places are where the records of one section go when they are old. Nothing is
// contacted.
func places(section string, list []config.Tier, to config.Archive) (tiers []columnar.Tier, archive *columnar.Archive, err error) {
	for i, t := range list {
		tier := columnar.Tier{Name: t.Name, After: t.After.D(), Dir: t.Dir}
		if t.Bucket != nil {
			if tier.Bucket, err = recordBucket(t.Bucket); err != nil {
				return nil, nil, fmt.Errorf("%s.tiers[%d].bucket: %w", section, i, err)
			}
			if tier.Name == "" {
				tier.Name = tier.PlaceName()
				if t.Bucket.Prefix != "" {
					tier.Name += "/" + t.Bucket.Prefix
				}
			}
		}
		tiers = append(tiers, tier)
	}
	if b := to.Bucket; b != nil {
		archive = &columnar.Archive{Signal: section, After: to.After.D()}
		if archive.Bucket, err = recordBucket(b); err != nil {
			return nil, nil, fmt.Errorf("%s.archive.bucket: %w", section, err)
		}
	}
	return tiers, archive, nil
}

func checkPlaces(cfg *config.Config) error {
	_, _, lerr := places("logs", cfg.Logs.Tiers, cfg.Logs.Archive)
	_, _, terr := places("traces", cfg.Traces.Tiers, cfg.Traces.Archive)
	return errors.Join(lerr, terr)
}

// recordBucket opens an object store for old records.
func recordBucket(b *config.Bucket) (objstore.Bucket, error) {
	conf, err := yaml.Marshal(b.Config)
	if err != nil {
		return nil, err
	}
	var bucket objstore.Bucket
	switch strings.ToUpper(b.Type) {
	case "S3":
		bucket, err = s3.NewBucket(log.NewNopLogger(), conf, "hinomi", nil)
	case "FILESYSTEM":
		var dir struct {
			Directory string `yaml:"directory"`
		}
		dec := yaml.NewDecoder(bytes.NewReader(conf))
		dec.KnownFields(true)
		if err := dec.Decode(&dir); err != nil {
			return nil, err
		}
		var root string
		if root, err = filepath.Abs(dir.Directory); err == nil {
			var fs *filesystem.Bucket
			fs, err = filesystem.NewBucket(root)
			bucket = syncedBucket{fs, root}
		}
	default:
		err = fmt.Errorf("type %q is not known, use S3 or FILESYSTEM", b.Type)
	}
	if err != nil {
		return nil, err
	}
	return objstore.NewPrefixedBucket(bucket, b.Prefix), nil
}

// syncedBucket makes an upload to a directory durable and whole: the library's own
// does neither, and the original is deleted afterwards.
type syncedBucket struct {
	*filesystem.Bucket
	root string
}

// Upload implements objstore.Bucket.
func (b syncedBucket) Upload(ctx context.Context, name string, r io.Reader, _ ...objstore.ObjectUploadOption) error {
	file := filepath.Join(b.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".upload-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(tmp, r)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if err := syncFolder(dir); err != nil {
			return err
		}
		if dir == b.root || dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
