//go:build !race

package parquetio

// poisoned makes Reset overwrite what it takes back, so that tests with the race
// detector find whoever uses a vector for too long.
const poisoned = false
