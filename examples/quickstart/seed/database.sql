CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  country TEXT NOT NULL,
  since TEXT NOT NULL -- ISO 8601 date
) STRICT;

CREATE TABLE products (
  sku TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  price_cents INTEGER NOT NULL,
  stock INTEGER NOT NULL
) STRICT;

CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  sku TEXT NOT NULL REFERENCES products (sku),
  quantity INTEGER NOT NULL,
  ordered_on TEXT NOT NULL -- ISO 8601 date
) STRICT;

INSERT INTO customers (id, name, country, since) VALUES
  (1, 'Ada Byron', 'GB', '2024-12-10'),
  (2, 'Grace Hopper', 'US', '2025-01-09'),
  (3, 'Konrad Zuse', 'DE', '2025-06-22'),
  (4, 'Radia Perlman', 'US', '2026-02-01'),
  (5, 'Tu Youyou', 'CN', '2026-05-30');

INSERT INTO products (sku, name, price_cents, stock) VALUES
  ('ANV-01', 'Anvil, 50 kg', 12900, 14),
  ('MAG-02', 'Giant magnet', 8450, 3),
  ('ROC-03', 'Rocket skates', 24900, 0),
  ('ROP-04', 'Rope, 20 m', 1995, 210);

INSERT INTO orders (id, customer_id, sku, quantity, ordered_on) VALUES
  (1001, 1, 'ANV-01', 1, '2026-09-02'),
  (1002, 3, 'ROP-04', 4, '2026-09-05'),
  (1003, 2, 'MAG-02', 2, '2026-09-17'),
  (1004, 1, 'ROC-03', 1, '2026-10-01'),
  (1005, 4, 'ROP-04', 10, '2026-10-20'),
  (1006, 5, 'ANV-01', 2, '2026-11-03'),
  (1007, 3, 'MAG-02', 1, '2026-11-15');
