package prometheus

import (
	"fmt"
	"strconv"
	"strings"
)

// releaseOf maps Prometheus' module versions to its releases: v0.3MM.P is 3.M.P.
func releaseOf(module string) string {
	const oldest = "3.0.0"
	parts := strings.Split(strings.TrimPrefix(module, "v"), ".")
	if len(parts) != 3 || parts[0] != "0" {
		return oldest
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil || n < 300 {
		return oldest
	}
	return fmt.Sprintf("%d.%d.%s", n/100, n%100, parts[2])
}
