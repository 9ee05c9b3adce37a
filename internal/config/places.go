package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// validatePlaces checks where old records go.
func validatePlaces(section string, retention Duration, tiers []Tier, archive Archive) error {
	names := map[string]bool{}
	for i, t := range tiers {
		key := fmt.Sprintf("%s.tiers[%d]", section, i)
		switch {
		case t.After <= 0:
			return fmt.Errorf("%s.after must be more than 0, for example 7d", key)
		case i > 0 && t.After <= tiers[i-1].After:
			return fmt.Errorf("%s.after is not more than that of the tier before it: list tiers from young to old", key)
		case t.After >= retention:
			return fmt.Errorf("%s.after is not less than %s.retention: nothing would ever be there; raise the retention", key, section)
		case (t.Dir == "") == (t.Bucket == nil):
			return fmt.Errorf("%s needs either dir or bucket", key)
		case t.Name == "archive":
			return fmt.Errorf("%s.name: archive is taken, use another name", key)
		case t.Name != "" && names[t.Name]:
			return fmt.Errorf("%s.name %q is there twice", key, t.Name)
		}
		names[t.Name] = true
		if err := t.Bucket.validate(key + ".bucket"); err != nil {
			return err
		}
	}
	if archive.After < 0 {
		return fmt.Errorf("%s.archive.after must not be less than 0", section)
	}
	return archive.Bucket.validate(section + ".archive.bucket")
}

func (b *Bucket) validate(key string) error {
	if b == nil {
		return nil
	}
	needs := ""
	switch strings.ToUpper(b.Type) {
	case "S3":
		needs = "bucket"
	case "FILESYSTEM":
		needs = "directory"
	default:
		return fmt.Errorf("%s.type %q is not known, use S3 or FILESYSTEM", key, b.Type)
	}
	if v, ok := b.Config[needs].(string); !ok || v == "" {
		return fmt.Errorf("%s.config.%s is missing", key, needs)
	}
	return nil
}

// relativeTiers finds directories that are named relative to the file in dir.
func relativeTiers(dir string, tiers []Tier) {
	for i, t := range tiers {
		if t.Dir != "" && !filepath.IsAbs(t.Dir) {
			tiers[i].Dir = filepath.Join(dir, t.Dir)
		}
	}
}
