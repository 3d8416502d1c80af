-- Numbers for inventories that are opened by clients who know them by an integer.
CREATE SEQUENCE inventory_numbers AS bigint MINVALUE 1 MAXVALUE 2147483647;
