/** One query for what a server has in common, one for what a database holds: each answers one JSON value. */

const listOf = (select: string): string => `coalesce((select json_agg(${select}), '[]')`;

/**
 * $1 settings, $2 roles, $3 roles that shall go, $4 databases, $5 whether there is a pg_hba.conf, without which its view fails,
 * $6 roles whose versions are looked for: roles with names that begin with theirs.
 */
export const CLUSTER_SQL = `select json_build_object(
  'version', current_setting('server_version_num')::int,
  'recovery', pg_is_in_recovery(),
  'loaded_ms', floor(extract(epoch from pg_conf_load_time()) * 1000),
  'now_ms', floor(extract(epoch from now()) * 1000),
  'hbaErrors', ${listOf(`json_build_object('line', line_number, 'error', error)) from pg_hba_file_rules where $5::boolean and error is not null`)},
  'configErrors', ${listOf(`json_build_object('path', sourcefile, 'line', sourceline, 'name', name, 'error', error))
    from pg_file_settings where error is not null and error <> 'setting could not be applied'`)},
  'settings', ${listOf(`json_build_object('name', lower(name), 'value', reset_val, 'unit', unit, 'type', vartype,
      'context', context, 'source', source)) from pg_settings where cardinality($1::text[]) > 0 and lower(name) = any($1)`)},
  'roles', ${listOf(`json_build_object('name', rolname, 'superuser', rolsuper, 'inherit', rolinherit,
      'createrole', rolcreaterole, 'createdb', rolcreatedb, 'login', rolcanlogin, 'replication', rolreplication,
      'bypassrls', rolbypassrls, 'connection_limit', rolconnlimit,
      'valid_until', case when isfinite(rolvaliduntil) then floor(extract(epoch from rolvaliduntil) * 1000) end,
      'password', rolpassword,
      'member_of', ${listOf(`g.rolname order by g.rolname) from pg_auth_members m join pg_authid g on g.oid = m.roleid where m.member = a.oid`)},
      'settings', coalesce((select to_json(setconfig) from pg_db_role_setting where setrole = a.oid and setdatabase = 0), '[]'),
      'sessions', case when rolname <> all($2) then (select count(*) from pg_stat_activity where usesysid = a.oid) else 0 end,
      'uses', case when rolname = any($3) or rolname <> all($2) then ${listOf(`distinct jsonb_build_object('database', coalesce(d.datname, ''), 'owns', s.deptype = 'o'))
        from pg_shdepend s left join pg_database d on d.oid = s.dbid
        where s.refclassid = 'pg_authid'::regclass and s.refobjid = a.oid`)} else '[]' end
    )) from pg_authid a where rolname = any($2)
      or exists (select from unnest($6::text[]) versioned where starts_with(rolname, versioned || '_'))`)},
  'databases', ${listOf(`json_build_object('name', datname, 'owner', pg_get_userbyid(datdba),
      'encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype,
      'connection_limit', datconnlimit, 'acl', coalesce(datacl, acldefault('d', datdba))::text[],
      'settings', coalesce((select to_json(setconfig) from pg_db_role_setting where setdatabase = d.oid and setrole = 0), '[]')
    )) from pg_database d where datname = any($4)`)}
) as facts`;

/** Between the two parts of a qualified name: no name holds it. */
export const NAME_SEPARATOR = '\u001f';

/**
 * $1 extensions, $2 schemas, $3 schemas with all their relations, $4 relations, $5 functions as they are declared,
 * $6 tables whose columns are declared, $7 schemas with all their functions, $8 extensions that follow the newest version.
 */
export const CONTENT_SQL = `select json_build_object(
  'extensions', ${listOf(`json_build_object('name', extname, 'version', extversion, 'schema', nspname,
      'available', case when extname = any($8) then (select default_version from pg_available_extensions a where a.name = extname) end)) from pg_extension
    join pg_namespace n on n.oid = extnamespace where extname = any($1)`)},
  'schemas', ${listOf(`json_build_object('name', nspname, 'owner', pg_get_userbyid(nspowner),
      'acl', coalesce(nspacl, acldefault('n', nspowner))::text[])) from pg_namespace where nspname = any($2)`)},
  'relations', ${listOf(`json_build_object('schema', nspname, 'name', relname,
      'kind', case relkind when 'S' then 'sequence' else 'table' end,
      'word', case relkind when 'S' then 'SEQUENCE' when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW'
        when 'f' then 'FOREIGN TABLE' else 'TABLE' end,
      'owner', pg_get_userbyid(relowner),
      'acl', coalesce(relacl, acldefault(case relkind when 'S' then 's'::"char" else 'r'::"char" end, relowner))::text[],
      'linked', relkind = 'S' and exists (select from pg_depend
        where classid = 'pg_class'::regclass and objid = c.oid and deptype in ('a', 'i'))
    ) order by relname) from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and (nspname = any($3) or nspname || '${NAME_SEPARATOR}' || relname = any($4))`)},
  'functions', ${listOf(`json_build_object('declared', declared, 'schema', nspname, 'signature', p.oid::regprocedure::text,
      'owner', pg_get_userbyid(proowner), 'acl', coalesce(proacl, acldefault('f', proowner))::text[]))
    from (select declared, found.* from unnest($5::text[]) declared
        join lateral (select * from pg_proc where oid = to_regprocedure(declared)::oid) found on true
      union all select null, pg_proc.* from pg_proc where cardinality($7::text[]) > 0
        and pronamespace = any (select oid from pg_namespace where nspname = any($7))) p
    join pg_namespace n on n.oid = pronamespace`)},
  'defaults', ${listOf(`json_build_object('owner', pg_get_userbyid(defaclrole), 'schema', coalesce(nspname, ''),
      'type', defaclobjtype, 'acl', defaclacl::text[])) from pg_default_acl left join pg_namespace n on n.oid = defaclnamespace`)},
  'columns', ${listOf(`json_build_object('schema', nspname, 'table', relname, 'name', attname))
    from pg_attribute join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
    where attnum > 0 and not attisdropped and nspname || '${NAME_SEPARATOR}' || relname = any($6)`)}
) as facts`;
