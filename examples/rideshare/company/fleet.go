package company

import "sync"

// Cities are where the company drives.
var Cities = []string{"tokyo", "osaka", "nagoya", "sapporo", "fukuoka"}

// fleetSize is the number of drivers of each city.
var fleetSize = map[string]int64{"tokyo": 420, "osaka": 260, "nagoya": 140, "sapporo": 90, "fukuoka": 110}

// fleet knows how many drivers are free: those online without those who carry a rider.
type fleet struct {
	mu   sync.Mutex
	busy map[string]int64
}

func (f *fleet) free(city string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fleetSize[city] - f.busy[city]
}

func (f *fleet) add(city string, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy[city] += n
}
