//go:build race

package parquetio

const poisoned = true
