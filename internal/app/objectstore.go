package app

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-kit/log"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/filesystem"
	"github.com/thanos-io/objstore/providers/s3"
	"go.yaml.in/yaml/v3"

	"hinomi/internal/config"
)

// objectStoreFile is the file that metrics.object_store_file names, in the form
// that Thanos and others use.
type objectStoreFile struct {
	Type   string    `yaml:"type"`
	Config yaml.Node `yaml:"config"`
	Prefix string    `yaml:"prefix"`
}

// openBucket opens the object store of long-term metrics; nil when there is
// none. It does not connect.
func openBucket(cfg *config.Config) (objstore.Bucket, error) {
	name := cfg.Metrics.ObjectStoreFile
	if name == "" {
		return nil, nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(cfg.Dir, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("metrics.object_store_file: %w", err)
	}
	var f objectStoreFile
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("metrics.object_store_file %s: %w", name, err)
	}
	conf, err := yaml.Marshal(&f.Config)
	if err != nil {
		return nil, fmt.Errorf("metrics.object_store_file %s: %w", name, err)
	}
	var b objstore.Bucket
	switch strings.ToUpper(f.Type) {
	case "S3":
		// The client notices only when it is used.
		var needs struct{ Bucket string }
		if err := f.Config.Decode(&needs); err != nil || needs.Bucket == "" {
			return nil, fmt.Errorf("metrics.object_store_file %s: config.bucket is missing", name)
		}
		b, err = s3.NewBucket(log.NewNopLogger(), conf, "hinomi", nil)
	case "FILESYSTEM":
		b, err = filesystem.NewBucketFromConfig(conf)
	default:
		return nil, fmt.Errorf("metrics.object_store_file %s: type %q is not known, use S3 or FILESYSTEM", name, f.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("metrics.object_store_file %s: %w", name, err)
	}
	return objstore.NewPrefixedBucket(b, f.Prefix), nil
}
