package config

// Records are the settings that the stores of logs and spans share.
type Records struct {
	Retention                 Duration
	MemtableBytes, CacheBytes Bytes
	Tiers                     []Tier
	TierCacheBytes            Bytes
	Archive                   Archive
}

// Records returns the settings that logs share with spans.
func (l Logs) Records() Records {
	return Records{l.Retention, l.MemtableBytes, l.CacheBytes, l.Tiers, l.TierCacheBytes, l.Archive}
}

// Records returns the settings that spans share with logs.
func (t Traces) Records() Records {
	return Records{t.Retention, t.MemtableBytes, t.CacheBytes, t.Tiers, t.TierCacheBytes, t.Archive}
}
