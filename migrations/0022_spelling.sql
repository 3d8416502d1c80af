-- Names and addresses are spelled as NFC; names are compared as NFKC with full case folding, which the server computes.
-- What stands here already is spelled anew, but for a row whose new spelling another row has: that one stays as it is.

WITH spelled AS (
    SELECT min(user_id::text)::uuid AS user_id, normalize(email, NFC) AS email FROM users
    WHERE email IS NOT NFC NORMALIZED GROUP BY normalize(email, NFC)
)
UPDATE users u SET email = spelled.email
FROM spelled
WHERE u.user_id = spelled.user_id
  AND NOT EXISTS (SELECT FROM users other WHERE lower(other.email) = lower(spelled.email));

UPDATE cities SET name = normalize(name, NFC) WHERE name IS NOT NFC NORMALIZED;
-- name_key is in small letters already; of the letters that folding treats in another way, these two occur in names of cities.
WITH folded AS (
    SELECT city_id, replace(replace(normalize(name_key, NFKC), 'ß', 'ss'), 'ς', 'σ') AS name_key FROM cities
), once AS (
    SELECT min(city_id::text)::uuid AS city_id, name_key FROM folded GROUP BY name_key
)
UPDATE cities c SET name_key = once.name_key
FROM once
WHERE c.city_id = once.city_id AND c.name_key <> once.name_key
  AND NOT EXISTS (SELECT FROM cities other WHERE other.name_key = once.name_key);
