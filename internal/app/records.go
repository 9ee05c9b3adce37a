package app

import "hinomi/internal/config"

// records are the settings that the stores of logs and spans share.
type records struct {
	retention       config.Duration
	memtable, cache config.Bytes
	tiers           []config.Tier
	tierCache       config.Bytes
	archive         config.Archive
	duplicates      config.Duration
}

func logRecords(c *config.Config) records {
	l := c.Logs
	return records{l.Retention, l.MemtableBytes, l.CacheBytes, l.Tiers, l.TierCacheBytes, l.Archive, l.DuplicateWindow}
}

func traceRecords(c *config.Config) records {
	t := c.Traces
	return records{t.Retention, t.MemtableBytes, t.CacheBytes, t.Tiers, t.TierCacheBytes, t.Archive, t.DuplicateWindow}
}
