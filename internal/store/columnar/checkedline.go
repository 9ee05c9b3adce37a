package columnar

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// formatLine is a line of the MANIFEST, of DELETIONS or of ARCHIVED: a record as JSON
// behind its CRC-32C.
func formatLine(record any) ([]byte, error) {
	body, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(body, castagnoli), body), nil
}

// parseLine undoes formatLine; the line is without its end.
func parseLine(line string, record any) error {
	sum, body, ok := strings.Cut(line, " ")
	want, err := strconv.ParseUint(sum, 16, 32)
	if !ok || err != nil || uint32(want) != crc32.Checksum([]byte(body), castagnoli) {
		return errors.New("checksum mismatch")
	}
	return json.Unmarshal([]byte(body), record)
}
