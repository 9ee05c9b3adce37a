// Package memory divides the memory that the process may use into shares, and
// counts what is in use of them: requests under way, rows that wait for a segment,
// caches, merges, queries. Whoever is about to allocate asks first; beyond a share
// intake is refused in a retryable way and queries are told what to change.
//
// What nobody counts (the series in the TSDB's head, results of queries, the
// program itself) is seen as the live heap: while that is near the limit, requests
// and queries are refused as if their shares were used up. Rules and the rest of
// the program are never refused, so that alerts keep being judged and written.
package memory
